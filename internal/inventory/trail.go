package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A stamp is what tells one state of a file from another.
type stamp struct {
	path         string
	dev, ino     uint64 // zero where there is no such file
	size         int64
	mtime, ctime int64 // nanoseconds; zero for directories on the way
}

// A trail is what one meets on the way to some paths, from the root of the file
// system and through every link: Kubernetes puts a new file in place by
// replacing a link to a directory that is halfway there.
type trail struct {
	stamps []stamp
	names  map[string]map[string]bool // by directory, the names in it that matter; every does for all of them
	inodes map[string]inode           // of those directories
	known  map[string]string
}

type inode struct{ dev, ino uint64 }

// every stands for all names of a directory.
const every = ""

// mostLinks is where Linux gives up, too (path_resolution(7)).
const mostLinks = 40

// follow goes to the paths, which are absolute.
func follow(paths []string) trail {
	t := trail{
		names:  map[string]map[string]bool{},
		inodes: map[string]inode{},
		known:  map[string]string{"/": "/"},
	}
	t.enter("/")
	for _, p := range paths {
		end, links := t.directory(filepath.Dir(p)), 0
		if end == "" {
			continue
		}
		end = t.walk(end, filepath.Base(p), &links)
		if end == "" {
			continue
		}
		if info, err := os.Lstat(end); err == nil && info.IsDir() {
			t.want(end, every)
			t.stamps = append(t.stamps, stampOf(end, info, true))
		}
	}
	return t
}

// directory is the real path of a directory; empty where there is none.
func (t *trail) directory(p string) string {
	if real, ok := t.known[p]; ok {
		return real
	}
	links := 0
	real := t.directory(filepath.Dir(p))
	if real != "" {
		real = t.walk(real, filepath.Base(p), &links)
	}
	t.known[p] = real
	return real
}

// walk goes from a real directory to the end of a relative path, noting what it
// meets, and returns the real path of the end; empty where there is none.
func (t *trail) walk(at, path string, links *int) string {
	for _, name := range strings.Split(path, "/") {
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		t.want(at, name)
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			t.stamps = append(t.stamps, stamp{path: next})
			return ""
		}
		t.stamps = append(t.stamps, stampOf(next, info, !info.IsDir()))
		switch {
		case info.IsDir():
			t.enter(next)
			at = next
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(next)
			if *links++; err != nil || *links > mostLinks {
				return ""
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			if at = t.walk(at, target, links); at == "" {
				return ""
			}
		default:
			at = next
		}
	}
	return at
}

func (t *trail) enter(dir string) {
	if info, err := os.Lstat(dir); err == nil {
		s := stampOf(dir, info, false)
		t.inodes[dir] = inode{s.dev, s.ino}
	}
}

func (t *trail) want(dir, name string) {
	if t.names[dir] == nil {
		t.names[dir] = map[string]bool{}
	}
	t.names[dir][name] = true
}

// matters says whether what happened to a path may have changed the trail.
func (t *trail) matters(path string) bool {
	path = filepath.Clean(path)
	if _, ok := t.names[path]; ok {
		return true
	}
	names := t.names[filepath.Dir(path)]
	return names[every] || names[filepath.Base(path)]
}

// unsure is how near in time two changes may be that have the same stamp:
// kernels stamp files by a clock that stands still for some milliseconds.
const unsure = 100 * time.Millisecond

// settled says whether a load that began at that time is sure to have seen what
// the stamps are of.
func (t *trail) settled(began time.Time) bool {
	for _, s := range t.stamps {
		if s.ctime > began.Add(-unsure).UnixNano() && s.ctime < began.Add(time.Hour).UnixNano() {
			return false
		}
	}
	return true
}

// timelessIn says whether what has no times to tell by (a directory on the way,
// or nothing where something may be) was like that in an earlier trail. Of the
// first trail nothing earlier is known.
func (t *trail) timelessIn(before trail) bool {
	if len(before.stamps) == 0 {
		return true
	}
	for _, s := range t.stamps {
		if s.ctime == 0 && !slices.Contains(before.stamps, s) {
			return false
		}
	}
	return true
}

// stampOf takes no times where only the identity matters: everything that is
// made in a directory changes those.
func stampOf(path string, info os.FileInfo, times bool) stamp {
	s := stamp{path: path}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(st.Dev), st.Ino
		if times {
			s.size, s.mtime, s.ctime = st.Size, st.Mtim.Nano(), st.Ctim.Nano()
		}
	}
	return s
}
