package tftproot

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A stranger is the kernel's own judgement of what the user of a TFTP server gets:
// a thread that has nobody's rights, and that a root may have been locked into.
type stranger struct {
	asked    chan string
	answered chan gift
}

// A gift is what the kernel gives.
type gift struct {
	err     error
	mode    os.FileMode
	id      id
	content string
}

func (g gift) isThere() bool { return g.err == nil && g.mode.IsRegular() }

// judgeAs makes a stranger. Its thread ends when it is dismissed, for nothing can
// give a thread back what it gave away.
func judgeAs(t tb, root string, locked bool) *stranger {
	s := &stranger{make(chan string), make(chan gift)}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
		top := root
		err := unix.Unshare(unix.CLONE_FS)
		if locked && err == nil {
			err, top = errors.Join(unix.Chroot(root), unix.Chdir("/")), "/"
		}
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
			err = errors.Join(err, errno)
		}
		ready <- errors.Join(err, unix.Setfsgid(nobody), unix.Setfsuid(nobody))
		for name := range s.asked {
			s.answered <- give(filepath.Join(top, name))
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stranger) dismiss() { close(s.asked) }

func (s *stranger) get(name string) gift {
	s.asked <- name
	return <-s.answered
}

// give reads as a TFTP server does.
func give(p string) (g gift) {
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		var st unix.Stat_t
		if unix.Stat(p, &st) == nil {
			g.mode = typeOf(st.Mode)
		}
		g.err = err
		return g
	}
	f := os.NewFile(uintptr(fd), p)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return gift{err: err}
	}
	g.mode, g.id = info.Mode(), idOf(info)
	if info.Mode().IsRegular() {
		data, err := io.ReadAll(f)
		g.content, g.err = string(data), err
	}
	return g
}
