package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/pxe-pilot/pxe-pilot"
)

// largest is the size from which a file is refused. 100,000 hosts take 25 MB.
const largest = 64 << 20

// read reads one file with the given fields at its top level, and says whether
// it has them. What is wrong is told.
func (r *reader) read(path string, top fields) bool {
	r.begin(path)
	data, mode, err := open(path)
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // Windows editors put it there
	if err == nil {
		err = sane(data)
	}
	ok := false
	if err == nil {
		r.budget = 10*len(data) + 100_000
		ok, err = r.document(data, top)
	}
	if err != nil {
		r.tell(r.whole(err), "%s", message(err))
	}
	if r.password && mode&others != 0 {
		r.warn(r.here(), "holds a password and %s", openToOthers(mode, path))
	}
	return ok
}

// A flaw is an error with a place in the file.
type flaw struct {
	line, column int
	message      string
}

func (f *flaw) Error() string { return f.message }

// whole is the place of err, which is the file as a whole unless it knows better.
func (r *reader) whole(err error) place {
	at := r.here()
	var f *flaw
	if errors.As(err, &f) {
		at.line, at.column = int32(f.line), int32(f.column)
	}
	return at
}

// message leaves out the path of a file system error: the file is told already.
func message(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("cannot be read: %v", p.Err)
	}
	return err.Error()
}

// open returns the content and the permission bits of a regular file.
func open(path string) ([]byte, os.FileMode, error) {
	// Looked at before it is opened, for opening a pipe waits.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, errors.New("does not exist; write it, or name another one with -c")
	case err != nil:
		return nil, 0, err
	case info.IsDir():
		return nil, 0, errors.New("is a directory; name the file in it")
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("is not a regular file")
	case info.Size() > largest:
		return nil, 0, fmt.Errorf("is larger than %d MiB; is it the right file?", largest>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, largest+1)); err != nil {
		return nil, 0, err
	}
	if data.Len() > largest {
		return nil, 0, fmt.Errorf("is larger than %d MiB; is it the right file?", largest>>20)
	}
	return data.Bytes(), info.Mode().Perm(), nil
}

// sane refuses what is not UTF-8 text, with its place; the YAML library tells
// none for it.
func sane(data []byte) error {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &flaw{1, 1, "is UTF-16; save it as UTF-8"}
	}
	for i := 0; i < len(data); {
		c := data[i]
		if c >= ' ' && c < 0x7f || c == '\n' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return flawAt(data, i, "is not UTF-8 here; save it as UTF-8")
		case r == '\t' || r == '\r' || r == 0x85:
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0xfffe && r <= 0xffff:
			return flawAt(data, i, fmt.Sprintf("has the control character U+%04X here; remove it", r))
		}
		i += size
	}
	return nil
}

func flawAt(data []byte, i int, message string) *flaw {
	start := bytes.LastIndexByte(data[:i], '\n') + 1
	return &flaw{bytes.Count(data[:i], []byte("\n")) + 1, utf8.RuneCount(data[start:i]) + 1, message}
}

// directory reads the files of the hosts directory.
func (r *reader) directory() {
	dir := r.config.HostsDirectory
	if dir == "" {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		why := message(err)
		if errors.Is(err, fs.ErrNotExist) {
			why = "does not exist; make it, or remove the key"
		}
		r.tell(r.hostsDirectory, "hosts_directory %s %s", dir, why)
		return
	}
	for _, e := range entries { // sorted by name
		path := filepath.Join(dir, e.Name())
		switch ext := filepath.Ext(path); {
		case strings.HasPrefix(e.Name(), "."):
		case ext == ".yml":
			further := r.furtherHosts()
			if r.read(path, further) && further.at("hosts") == nil {
				r.tell(r.here(), "no hosts; add hosts (\"hosts: []\" for none)")
			}
		case ext == ".yaml":
			r.warn(r.hostsDirectory, "%s is not read; the files of hosts_directory end in .yml", pxepilot.Quote(path))
		}
	}
}
