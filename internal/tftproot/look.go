package tftproot

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A look is at what a TFTP server finds. Unlike a session it leaves the root where
// links do, because some servers follow them there. It asks the disk once for
// everything, and so is of one moment.
type look struct {
	root  string // without symbolic links
	seen  map[string]glance
	dirs  map[string]string // directories below the root, as asked for: where they are
	above *sight            // what keeps servers from the root itself; nil for nothing
}

// A glance is what is under a name.
type glance struct {
	mode fs.FileMode
	size int64
	text string // of a link
	err  error
}

// A sight is what a TFTP server finds under a name.
type sight struct {
	found   pxepilot.Found // never Unchrooted
	end     string         // absolute path of the file, or of what is missing or closed
	mode    fs.FileMode    // of what is closed or is no file
	size    int64
	passed  []passage
	text    string // of the last link
	circle  bool
	strange error // why the disk does not tell
	same    bool  // whether the server is locked into the root
}

// A passage is a name that was gone through.
type passage struct {
	path string // absolute
	link bool
	last bool // there was nothing more to look up below it
}

func newLook(root string) *look {
	k := &look{root: root, seen: map[string]glance{}, dirs: map[string]string{}}
	for p := path.Dir(root); k.above == nil; p = path.Dir(p) {
		if n := k.at(p); n.err == nil && n.mode&othersEnter == 0 {
			k.above = &sight{found: pxepilot.Unreadable, end: p, mode: n.mode}
		}
		if p == "/" {
			break
		}
	}
	return k
}

// at looks at an absolute path once.
func (k *look) at(p string) glance {
	if n, ok := k.seen[p]; ok {
		return n
	}
	var st unix.Stat_t
	n := glance{err: again(func() error { return unix.Lstat(p, &st) })}
	if n.err == nil {
		n.mode, n.size = fs.FileMode(st.Mode)&fs.ModePerm|typeOf(st.Mode), st.Size
	}
	if n.mode&fs.ModeSymlink != 0 {
		n.text, n.err = readlinkAt(p)
	}
	k.seen[p] = n
	return n
}

func readlinkAt(p string) (string, error) {
	buf := make([]byte, unix.PathMax)
	for {
		size, err := unix.Readlink(p, buf)
		if !errors.Is(err, unix.EINTR) {
			return string(buf[:max(size, 0)]), err
		}
	}
}

// find is what a server finds under a path below the root. One that is locked into
// the root takes it for the top of everything.
func (k *look) find(p string, locked bool) sight {
	switch {
	case locked:
		return k.walk(p, k.root, true)
	case k.above != nil:
		return *k.above
	}
	return k.walk(p, "/", true)
}

// walk follows a path below the root as the kernel does for who has a directory as
// its top, and has no more rights than others where that matters.
func (k *look) walk(p, top string, strict bool) sight {
	s := sight{same: true}
	at, pending := k.root, asked(p)
	own, links := len(pending), 0 // of what is pending, the last ones that no link said
	for len(pending) > 0 {
		if n := k.at(at); strict && n.mode&othersEnter == 0 {
			s.found, s.end, s.mode = pxepilot.Unreadable, at, n.mode
			return s
		}
		c := pending[0]
		pending = pending[1:]
		missing := pxepilot.Broken
		if own > len(pending) {
			own, missing = len(pending), pxepilot.Absent
		}
		switch c {
		case ".":
			continue
		case "..":
			s.same = s.same && at != k.root
			if at != top {
				at = path.Dir(at)
			}
			continue
		}
		next := strings.TrimSuffix(at, "/") + "/" + c
		n := k.at(next)
		last := len(pending) == 0
		switch {
		case n.err != nil && !leadsNowhere(n.err):
			s.found, s.end, s.strange = pxepilot.Unreadable, next, n.err
			return s
		case n.err != nil, n.mode.Type() != fs.ModeSymlink && !n.mode.IsDir() && !last:
			s.found, s.end = missing, path.Join(append([]string{next}, pending...)...)
			return s
		case n.mode.Type() == fs.ModeSymlink:
			if links++; links > maxLinks {
				s.found, s.end, s.circle = pxepilot.Broken, next, true
				return s
			}
			s.passed = append(s.passed, passage{next, true, last})
			s.text = n.text
			if path.IsAbs(n.text) {
				at, s.same = top, false
			}
			pending = append(asked(n.text), pending...)
		case n.mode.IsDir():
			s.passed = append(s.passed, passage{next, false, last})
			at = next
		default:
			s.passed = append(s.passed, passage{next, false, true})
			s.end, s.mode, s.size = next, n.mode, n.size
			switch {
			case !n.mode.IsRegular():
				s.found = pxepilot.NotAFile
			case n.mode&othersRead == 0:
				s.found = pxepilot.Unreadable
			default:
				s.found = pxepilot.Readable
			}
			return s
		}
	}
	s.found, s.end, s.mode = pxepilot.NotAFile, at, fs.ModeDir
	return s
}

// findLocked is find for a server that is locked into the root. s is what one that
// is not finds.
func (k *look) findLocked(p string, s sight) sight {
	if s.same && k.above == nil {
		return s
	}
	return k.find(p, true)
}

// place is where a path below the root is: its directory without symbolic links, as
// far as that is there.
func (k *look) place(p string) string {
	dir, base := path.Split(p)
	at, known := k.dirs[dir]
	if !known {
		s := k.walk(dir, "/", false)
		if at = s.end; s.found != pxepilot.NotAFile {
			at = path.Join(k.root, dir)
		}
		k.dirs[dir] = at
	}
	return path.Join(at, base)
}

// below is an absolute path as people know it: below the root, where it is there.
func (k *look) below(p string) string {
	if within(k.root, p) && p != k.root {
		return p[len(k.root)+1:]
	}
	return p
}

// says tells in a phrase why a name does not give what it should; empty where
// it does.
func (k *look) says(s, locked sight) string {
	name := k.below(s.end)
	switch {
	case s.found == pxepilot.Broken && s.circle:
		return "it leads in a circle"
	case s.found == pxepilot.Broken && locked.found == pxepilot.Readable:
		return fmt.Sprintf("it leads to %s, which only a TFTP server that is locked into the root finds", pxepilot.Quote(s.text))
	case s.found == pxepilot.Broken:
		return fmt.Sprintf("it leads to %s, which is not there", name)
	case s.strange != nil:
		return fmt.Sprintf("%s: %v", name, plain(s.strange))
	case s.found == pxepilot.Unreadable && s.mode.IsDir():
		return fmt.Sprintf("%s has mode %04o, so that the user of a TFTP server cannot enter it", name, s.mode.Perm())
	case s.found == pxepilot.Unreadable:
		return fmt.Sprintf("%s has mode %04o, so that the user of a TFTP server cannot read it", name, s.mode.Perm())
	case s.found == pxepilot.NotAFile:
		return "it is " + obstacle(s.mode.Type())
	case s.found == pxepilot.Readable && locked.found != pxepilot.Readable:
		return fmt.Sprintf("a TFTP server that is locked into the root does not follow %s", pxepilot.Quote(s.text))
	case s.found == pxepilot.Readable && locked.end != s.end:
		return fmt.Sprintf("a TFTP server that is locked into the root finds %s instead", k.below(locked.end))
	}
	return ""
}
