package neighbour

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Options say how a Table is kept.
type Options struct {
	// Path is the file that the bindings are kept in; empty: nowhere.
	Path string
	// Warn is told, in one line, of what does not keep the table from working.
	Warn func(string)
	// Now is time.Now unless set.
	Now func() time.Time
}

const (
	fileVersion = 1
	largestFile = 64 << 20
	// A machine that is seen where it was anyhow is written down that often; a
	// crash costs no more than knowing it a little older than it is.
	seenAgain = time.Minute
)

// Open reads a table. A file that cannot be understood is renamed to
// PATH.corrupt, and the table starts empty: a sweep fills it again.
func Open(o Options) (*Table, error) {
	t := &Table{now: o.Now, bound: make(map[pxepilot.MAC]Binding), at: make(map[netip.Addr][]pxepilot.MAC), saved: make(map[pxepilot.MAC]Binding)}
	if t.now == nil {
		t.now = time.Now
	}
	if o.Path == "" {
		return t, nil
	}
	t.file = &file{path: o.Path}
	bindings, err := t.file.read()
	var broken *corruptError
	if errors.As(err, &broken) {
		aside := o.Path + ".corrupt"
		if err := os.Rename(o.Path, aside); err != nil {
			return nil, cannot("read", o.Path, err)
		}
		if o.Warn != nil {
			o.Warn(fmt.Sprintf("the file of BMC addresses %s is damaged (%v) and was renamed to %s; the addresses are to be found again (pxe-pilot discover)",
				o.Path, broken, aside))
		}
		return t, nil
	}
	if err != nil {
		return nil, cannot("read", o.Path, err)
	}
	t.load(bindings)
	return t, nil
}

// load takes over what was written down before.
func (t *Table) load(bindings []Binding) {
	for _, b := range bindings {
		// Written while the clock was ahead: worth less than whatever is seen now.
		if b.Seen.After(t.now()) {
			b.Seen = time.Time{}
		}
		t.bind(b)
	}
	t.saved = maps.Clone(t.bound)
}

// unsaved says whether there is something that is worth writing down.
func (t *Table) unsaved() bool {
	if len(t.bound) != len(t.saved) {
		return true
	}
	for mac, b := range t.bound {
		old, ok := t.saved[mac]
		if !ok || !slices.Equal(old.Addrs, b.Addrs) || b.Seen.Sub(old.Seen).Abs() >= seenAgain {
			return true
		}
	}
	return false
}

// save writes all bindings down.
func (t *Table) save() error {
	if t.file == nil {
		return nil
	}
	if err := t.file.write(t.all()); err != nil {
		return cannot("write", t.file.path, err)
	}
	t.saved = maps.Clone(t.bound)
	return nil
}

func cannot(do, path string, err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "cannot %s the file of BMC addresses %s: %v; is its directory there, and writable for this program?", do, path, err)
}

// A file holds bindings as JSON.
type file struct{ path string }

type content struct {
	Version  int       `json:"version"`
	Bindings []Binding `json:"bindings"`
}

// A corruptError says what is wrong with the bytes of a file.
type corruptError struct{ what string }

func (e *corruptError) Error() string { return e.what }

// read returns nothing where there is no file yet, and an error where there is
// no directory for it either: better now than when the first sweep is over.
func (f *file) read() ([]Binding, error) {
	r, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(f.path))
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(r, largestFile+1))
	if err != nil {
		return nil, err
	}
	return parse(data)
}

// parse is strict: what is half understood is not trusted.
func parse(data []byte) ([]Binding, error) {
	if len(data) > largestFile {
		return nil, &corruptError{"it is too large"}
	}
	var c content
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, &corruptError{err.Error()}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &corruptError{"something follows its end"}
	}
	if c.Version != fileVersion {
		return nil, &corruptError{fmt.Sprintf("it is of version %d, and this program knows version %d", c.Version, fileVersion)}
	}
	known := make(map[pxepilot.MAC]bool)
	for _, b := range c.Bindings {
		if b.MAC.IsZero() || known[b.MAC] || len(b.Addrs) == 0 {
			return nil, &corruptError{fmt.Sprintf("%s has no address, or stands twice", b.MAC)}
		}
		known[b.MAC] = true
		for i, a := range b.Addrs {
			if !a.IsValid() {
				return nil, &corruptError{fmt.Sprintf("address %d of %s is empty", i+1, b.MAC)}
			}
		}
	}
	return c.Bindings, nil
}

// encode is what parse reads, for people to read too.
func encode(bindings []Binding) ([]byte, error) {
	data, err := json.MarshalIndent(content{Version: fileVersion, Bindings: bindings}, "", "\t")
	return append(data, '\n'), err
}

// write replaces the file so that a crash leaves the old one or the new one.
func (f *file) write(bindings []Binding) error {
	data, err := encode(bindings)
	if err != nil {
		return err
	}
	temp := f.path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a crash
		return err
	}
	w, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(temp, f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
