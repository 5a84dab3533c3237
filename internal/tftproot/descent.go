package tftproot

import (
	"errors"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// A descent goes down to a file, component by component. Every directory on the
// way is held open and every name looked up in the one before, so that what was
// judged is what is entered, whatever is renamed meanwhile.
type descent struct {
	*session
	asked     string
	closedToo bool   // it may go through, and end at, what is closed to others
	dirs      []*dir // from the top of a tree down
	seen      []crossing
	links     int
	says      string    // the text of the last link
	latest    time.Time // when something on the way changed
	tries     int
}

// A crossing is a name that was gone through.
type crossing struct {
	loc
	last bool // there was nothing more to look up below it
	link bool
}

// maxTries is how often a name may be another thing when it is opened than when
// it was looked at. Switches leave it a link, so that this takes bad intent.
const maxTries = 100

func (d *descent) open() (*os.File, error) {
	pending := asked(d.asked)
	if err := d.enterTree(0); err != nil {
		return nil, err
	}
	for len(pending) > 0 {
		c := pending[0]
		pending = pending[1:]
		switch {
		case c == "." || c == ".." && len(d.dirs) > 1:
			if c == ".." {
				d.up(len(d.dirs) - 1)
			}
			continue
		case c == "..":
			var err error
			if pending, err = d.jump(above(d.trees[d.here().tree].real, pending)); err != nil {
				return nil, err
			}
			continue
		}
		f, more, err := d.step(c, pending)
		switch {
		case isChanging(err) && d.tries < maxTries:
			d.tries++
			pending = append([]string{c}, pending...)
		case err != nil:
			return nil, d.refuse(path.Join(d.here().path, c), err)
		case f != nil:
			return f, nil
		default:
			pending = more
		}
	}
	return nil, d.refuse(d.here().path, errDirectory)
}

// isChanging says whether a name was another thing by the time it was opened.
func isChanging(err error) bool {
	return errors.Is(err, errChanged) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EINVAL)
}

// step looks up one name. It returns the file, or what is left to look up.
func (d *descent) step(c string, pending []string) (f *os.File, more []string, err error) {
	if strings.HasPrefix(c, layout.TempPrefix) || strings.ContainsRune(c, 0) {
		return nil, nil, syscall.ENOENT
	}
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(d.here().fd(), c, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return nil, nil, err
	}
	at := loc{d.here().tree, path.Join(d.here().path, c)}
	cross := func(link bool) {
		d.seen = append(d.seen, crossing{at, len(pending) == 0, link})
	}
	switch kind := st.Mode & unix.S_IFMT; kind {
	case unix.S_IFLNK:
		text, err := readlinkString(d.here(), c)
		if err != nil {
			return nil, nil, err
		}
		if d.links++; d.links > maxLinks {
			return nil, nil, errLoop
		}
		cross(true)
		d.changed(st.Ctim)
		d.says = text
		if path.IsAbs(text) {
			more, err = d.jump(text)
			return nil, append(more, pending...), err
		}
		return nil, append(asked(text), pending...), nil
	case unix.S_IFDIR:
		if err := d.enter(at, c); err != nil {
			return nil, nil, err
		}
		cross(false)
		return nil, pending, nil
	case unix.S_IFREG:
		if len(pending) > 0 {
			return nil, nil, syscall.ENOTDIR
		}
		cross(false)
		f, err = d.openRegular(c)
		return f, nil, err
	default:
		return nil, nil, errSpecial
	}
}

// What a name can be besides a file.
var (
	errDirectory = errors.New("it is a directory")
	errSpecial   = errors.New("it is not a regular file")
	errChanged   = errors.New("it changes all the time")
	errClosed    = errors.New("it is closed to others")
)

// enter opens a directory for looking up names.
func (d *descent) enter(at loc, name string) error {
	f, err := openat(d.here(), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if errors.Is(err, syscall.ENOTDIR) {
		return errChanged
	}
	if err != nil {
		return err
	}
	d.dirs = append(d.dirs, &dir{loc: at, file: f})
	st, err := d.mayEnter()
	if err == nil {
		d.changed(st.Ctim)
		return nil
	}
	d.up(len(d.dirs) - 1)
	return err
}

// enterTree goes on at the top of a tree.
func (d *descent) enterTree(tree int) error {
	d.up(0)
	f, err := d.trees[tree].Open(".")
	if err != nil {
		return broken(called(loc{tree, "."}), d.trees[tree].path, err)
	}
	d.dirs = []*dir{{loc: loc{tree, "."}, file: f}}
	if _, err := d.mayEnter(); err != nil {
		return d.refuse(".", err)
	}
	return nil
}

// mayEnter says whether the user of a TFTP server may look up names here.
func (d *descent) mayEnter() (st unix.Stat_t, err error) {
	err = again(func() error { return unix.Fstat(d.here().fd(), &st) })
	if err == nil && st.Mode&unix.S_IXOTH == 0 && !d.closedToo {
		err = errClosed
	}
	return st, err
}

func (d *descent) openRegular(name string) (*os.File, error) {
	f, err := openat(d.here(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK) // a FIFO in its place would block
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errChanged
	case info.Mode()&unix.S_IROTH == 0 && !d.closedToo:
		err = errClosed
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

// jump goes on at an absolute path, which must be in one of the trees.
func (d *descent) jump(absolute string) (pending []string, err error) {
	tree, rel, ok := d.mapAbsolute(absolute)
	if !ok {
		return nil, d.refuse(".", errLeaves)
	}
	return asked(rel), d.enterTree(tree)
}

func (d *descent) here() *dir { return d.dirs[len(d.dirs)-1] }

// up leaves all directories but the first n.
func (d *descent) up(n int) {
	for _, dir := range d.dirs[n:] {
		_ = dir.file.Close()
	}
	d.dirs = d.dirs[:n]
}

func (d *descent) close() { d.up(0) }

func (d *descent) changed(at unix.Timespec) {
	if t := time.Unix(at.Unix()); t.After(d.latest) {
		d.latest = t
	}
}
