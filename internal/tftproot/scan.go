package tftproot

import (
	"bytes"
	"errors"
	"io/fs"
	"runtime"
	"sort"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// scan reads what is there for the hosts of an inventory. Hosts' links are asked
// for by name, not listed: a listing may miss a name that is renamed over while
// it goes on, and would show a host without its configuration. old is the last
// snapshot or nil; what of it does not depend on the disk is used again.
func (s *session) scan(inv *pxepilot.Inventory, old *snapshot) (*snapshot, error) {
	began := s.root.now()
	snap := &snapshot{dirs: s.stamps(), settled: true}
	for _, d := range s.dirs {
		// A directory that is missing has no stamp; that it is missing is
		// looked up at every request.
		if !d.missing() && !d.seen.settledAt(began) {
			snap.settled = false
		}
	}
	if old != nil && old.bound.inv == inv && sameDirs(old.dirs, s) {
		snap.bound = old.bound
	} else {
		var err error
		if snap.bound, err = s.bind(inv); err != nil {
			return nil, err
		}
	}
	for l := range s.root.loaders {
		set, err := s.configurations(snap, l)
		if err != nil {
			return nil, err
		}
		snap.confs = append(snap.confs, set)
	}
	found, err := s.readAll(snap.bound)
	if err != nil {
		return nil, err
	}
	snap.view = pxepilot.NewView(inv, s.judge(snap, found), snap.list(s.root.loaders))
	return snap, nil
}

// list merges the configurations of all loaders by name.
func (c *snapshot) list(loaders []loader) []pxepilot.Configuration {
	by := map[string][]string{}
	for l, set := range c.confs {
		for name := range set {
			by[name] = append(by[name], loaders[l].Name)
		}
	}
	all := make([]pxepilot.Configuration, 0, len(by))
	for name, variants := range by {
		all = append(all, pxepilot.Configuration{Name: name, Bootloaders: variants})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// A text is what was found under a name.
type text struct {
	is    kind
	value string      // of a link
	mode  fs.FileMode // of the type of what is not a link
}

type kind uint8

const (
	nothing kind = iota
	aLink
	notALink
)

// readAll reads the links of all hosts, in the order of bound.
func (s *session) readAll(b *bound) ([]text, error) {
	found := make([]text, b.names)
	// One reader per core: reading links takes no lock of the directory.
	readers := min(runtime.GOMAXPROCS(0), 1+len(b.hosts)/1024)
	errs := make([]error, readers)
	var wg sync.WaitGroup
	at := 0
	for r := range readers {
		hosts := b.hosts[r*len(b.hosts)/readers : (r+1)*len(b.hosts)/readers]
		start := at
		for i := range hosts {
			for _, c := range hosts[i].chains {
				at += len(c.names)
			}
		}
		wg.Go(func() { errs[r] = s.readHosts(hosts, found[start:]) })
	}
	wg.Wait()
	return found, errors.Join(errs...)
}

func (s *session) readHosts(hosts []boundHost, found []text) error {
	buf := make([]byte, unix.PathMax)
	interned := map[string]string{}
	at := 0
	for i := range hosts {
		for _, c := range hosts[i].chains {
			for n := range c.names {
				t, err := s.readName(&c, n, buf, interned)
				if err != nil {
					return err
				}
				found[at] = t
				at++
			}
		}
	}
	return nil
}

func (s *session) readName(c *chain, n int, buf []byte, interned map[string]string) (text, error) {
	at := c.names[n].spot
	d := s.dirs[at.dir]
	if d.missing() {
		return text{}, nil
	}
	size, err := readlink(d, at.base, buf)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ENOENT):
		return text{}, nil
	case errors.Is(err, syscall.EINVAL):
		mode, err := kindOf(d, at.base)
		switch {
		case err == nil && mode == fs.ModeSymlink, errors.Is(err, syscall.ENOENT):
			return s.readName(c, n, buf, interned) // somebody put another thing there in between
		case err == nil:
			return text{is: notALink, mode: mode}, nil
		}
		return text{}, broken("link "+c.names[n].path, s.onDisk(s.locOf(at)), err)
	default:
		return text{}, broken("link "+c.names[n].path, s.onDisk(s.locOf(at)), err)
	}
	// Most links of a site have one of a few texts, or are the name of the
	// host's first one.
	value := buf[:size]
	if n > 0 && string(value) == c.names[0].base {
		return text{is: aLink, value: c.names[0].base}, nil
	}
	if known, ok := interned[string(value)]; ok {
		return text{is: aLink, value: known}, nil
	}
	v := string(bytes.Clone(value))
	interned[v] = v
	return text{is: aLink, value: v}, nil
}

// An entry is a name in a directory with its type: 0 for a regular file, else as
// in fs.FileMode.Type.
type entry struct {
	name string
	kind fs.FileMode
}

// list lists a directory. It lists again where the directory changed meanwhile,
// as a listing may miss names that are moved while it goes on.
func list(d *dir) ([]entry, error) {
	const tries = 5
	for try := 1; ; try++ {
		before, err := stampOf(d)
		if err != nil {
			return nil, err
		}
		names, err := namesIn(d)
		if err != nil {
			return nil, err
		}
		entries := make([]entry, 0, len(names))
		for _, n := range names {
			kind, err := kindOf(d, n)
			if errors.Is(err, syscall.ENOENT) {
				continue
			}
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry{n, kind})
		}
		after, err := stampOf(d)
		if err != nil {
			return nil, err
		}
		if after == before || try == tries {
			return entries, nil
		}
	}
}

// namesIn lists the names in a directory, as they are there right now.
func namesIn(d *dir) ([]string, error) {
	f, err := openat(d, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// kindOf is the type of what is under a name, without following it.
func kindOf(d *dir, name string) (fs.FileMode, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return 0, err
	}
	return typeOf(st.Mode), nil
}

// typeOf is the type in a mode of stat(2), as fs.FileMode has it.
func typeOf(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	}
	return fs.ModeDevice
}

// obstacle names what is not a regular file, and so cannot be kept beside a link
// that takes its place.
func obstacle(mode fs.FileMode) string {
	return map[fs.FileMode]string{fs.ModeDir: "a directory", fs.ModeNamedPipe: "a FIFO", fs.ModeSocket: "a socket", fs.ModeDevice: "a device"}[mode]
}
