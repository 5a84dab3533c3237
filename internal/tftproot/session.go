package tftproot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A session is the root opened for one request: its trees, and the directories
// that hold links and configurations, each resolved and held open once.
type session struct {
	root    *Root
	trees   []tree
	dirs    []*dir
	byLoc   map[loc]int    // where a resolved directory is in dirs
	linkDir map[string]int // where a directory of links, as declared, is in dirs
	conf    []int          // per loader: where its configurations are in dirs
}

// A tree is a directory that paths are confined to: the TFTP root, and the
// configuration directory where that is outside.
type tree struct {
	*os.Root
	path string // as declared
	real string // without symbolic links
	id   id
}

// A loc is a path in a tree, without symbolic links.
type loc struct {
	tree int
	path string
}

// A dir is a directory of links, of configurations, or of both.
type dir struct {
	loc
	file *os.File // nil while the directory does not exist
	id   id
	seen stamp
}

func (d *dir) fd() int       { return int(d.file.Fd()) }
func (d *dir) missing() bool { return d.file == nil }

// removed says whether the directory was removed since it was opened.
func (d *dir) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(d.fd(), &st) == nil && st.Nlink == 0
}

// id tells one file from every other.
type id struct{ dev, ino uint64 }

var (
	errLeaves = errors.New("it leaves the TFTP root")
	errLoop   = errors.New("too many levels of symbolic links")
)

// open opens the root and all directories that matter. One without its
// configuration directory is not the root that is meant, but perhaps what a file
// system that is not mounted leaves, and no machine of it must pass for one that
// boots nothing.
func (r *Root) open() (*session, error) {
	s, err := r.openAny()
	if err == nil && !s.configured() {
		s.close()
		return nil, broken(theConfigurations, r.directory, syscall.ENOENT)
	}
	return s, err
}

// openAny is open for a root that may lack its configuration directory.
func (r *Root) openAny() (*session, error) {
	s := r.newSession()
	if err := s.openAll(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (r *Root) newSession() *session {
	return &session{root: r, byLoc: map[loc]int{}, linkDir: map[string]int{}}
}

func (s *session) openAll() error {
	if err := s.openTrees(); err != nil {
		return err
	}
	return s.openDirs()
}

func (s *session) openTrees() error {
	r := s.root
	if err := s.openTree(r.path); err != nil {
		return broken(theRoot, r.path, err)
	}
	if r.absolute && !within(r.path, r.directory) {
		if err := s.openTree(r.directory); err != nil {
			return broken(theConfigurations, r.directory, err)
		}
	}
	return nil
}

func (s *session) openDirs() error {
	r := s.root
	for _, d := range r.linkDirs {
		i, err := s.openDir(loc{0, "."}, d)
		if err != nil {
			return broken(called(loc{0, d}), path.Join(r.path, d), err)
		}
		s.linkDir[d] = i
	}
	for _, l := range r.loaders {
		at, rel, ok := s.mapAbsolute(l.directory)
		if !ok {
			return broken(r.theirDirectory(l), l.directory, errLeaves)
		}
		i, err := s.openDir(loc{at, "."}, rel)
		if err != nil {
			return broken(r.theirDirectory(l), l.directory, err)
		}
		s.conf = append(s.conf, i)
	}
	return nil
}

// configured says whether the configuration directory is there. Those of the
// loaders in it may be missing.
func (s *session) configured() bool {
	for _, at := range s.conf {
		if !s.dirs[at].missing() {
			return true
		}
	}
	at, rel, ok := s.mapAbsolute(s.root.directory)
	if !ok {
		return false
	}
	w, err := s.walk(loc{at, "."}, rel)
	return err == nil && w.info.IsDir()
}

func within(root, p string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func (s *session) openTree(p string) error {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(p)
	if err != nil {
		return err
	}
	info, err := root.Stat(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	s.trees = append(s.trees, tree{Root: root, path: p, real: real, id: idOf(info)})
	return nil
}

// openDir resolves a directory and opens it, once.
func (s *session) openDir(at loc, rel string) (int, error) {
	w, err := s.walk(at, rel)
	missing := errors.Is(err, syscall.ENOENT)
	if err != nil && !missing {
		return 0, err
	}
	where := w.at
	if missing {
		where.path = path.Join(append([]string{where.path}, w.rest...)...)
	} else if !w.info.IsDir() {
		return 0, syscall.ENOTDIR
	}
	if i, ok := s.byLoc[where]; ok {
		return i, nil
	}
	d := &dir{loc: where}
	if !missing {
		if err := s.attach(d); err != nil {
			return 0, err
		}
	}
	s.byLoc[where] = len(s.dirs)
	s.dirs = append(s.dirs, d)
	return len(s.dirs) - 1, nil
}

// attach opens the directory that d stands for, and notes its stamp.
func (s *session) attach(d *dir) error {
	f, err := s.trees[d.tree].Open(d.path)
	if err != nil {
		return err
	}
	d.file = f
	if d.seen, err = stampOf(d); err != nil {
		return err
	}
	d.id = d.seen.id
	return nil
}

func (s *session) close() {
	for _, d := range s.dirs {
		if d.file != nil {
			_ = d.file.Close()
		}
	}
	for _, t := range s.trees {
		_ = t.Close()
	}
}

// confDir is the directory of the configurations of loader l.
func (s *session) confDir(l int) *dir { return s.dirs[s.conf[l]] }

// openTarget opens a configuration for reading, following links inside the
// trees only. It refuses what is not a regular file or a directory, such as a
// FIFO, which would block.
func (s *session) openTarget(d *dir, name string) (*os.File, error) {
	w, err := s.walk(d.loc, name)
	if err != nil {
		return nil, err
	}
	f, err := s.trees[w.at.tree].OpenFile(w.at.path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unchanged says whether the root and its directories are still what this
// session opened, under their paths: after a rename, writes went into the old
// tree.
func (s *session) unchanged() error {
	now, err := s.root.open()
	if err != nil {
		return err
	}
	defer now.close()
	for i, t := range s.trees {
		if i >= len(now.trees) || now.trees[i].id != t.id {
			return fmt.Errorf("%s is another one", called(loc{i, "."}))
		}
	}
	for i, d := range s.dirs {
		if i >= len(now.dirs) {
			// One that only the plan of a change that was cut off knows.
			if _, err := now.openDir(loc{d.tree, "."}, d.path); err != nil {
				return broken(called(d.loc), s.onDisk(d.loc), err)
			}
		}
		if i >= len(now.dirs) || now.dirs[i].loc != d.loc || now.dirs[i].id != d.id {
			return fmt.Errorf("%s is another one", called(d.loc))
		}
	}
	return nil
}

func idOf(info fs.FileInfo) id {
	st := info.Sys().(*syscall.Stat_t)
	return id{st.Dev, st.Ino}
}
