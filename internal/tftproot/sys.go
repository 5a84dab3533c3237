package tftproot

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sys is every call by which the package changes the disk. Names are single
// components, relative to a directory that was opened through os.Root, so that
// no call can leave it; that is also half as costly as a path from the root.
// Tests put a recorder in its place, to replay what a crash leaves.
type sys interface {
	symlink(text string, d *dir, name string) error
	link(d *dir, from, to string) error
	rename(d *dir, from, to string) error
	// renameNew is rename where the new name must not exist.
	renameNew(d *dir, from, to string) error
	unlink(d *dir, name string) error
	// mkdir makes a directory, with mode 0755 whatever the umask, and opens it.
	mkdir(d *dir, name string) (*os.File, error)
	rmdir(d *dir, name string) error
	// create makes a file that only its owner can read, and syncs it.
	create(d *dir, name string, data []byte) error
	// overwrite replaces the first bytes of a file, and syncs it.
	overwrite(d *dir, name string, data []byte) error
	sync(d *dir) error
}

// kernel is sys by Linux system calls.
type kernel struct{}

func (kernel) symlink(text string, d *dir, name string) error {
	return again(func() error { return unix.Symlinkat(text, d.fd(), name) })
}

func (kernel) link(d *dir, from, to string) error {
	return again(func() error { return unix.Linkat(d.fd(), from, d.fd(), to, 0) })
}

func (kernel) rename(d *dir, from, to string) error {
	return again(func() error { return unix.Renameat(d.fd(), from, d.fd(), to) })
}

func (k kernel) renameNew(d *dir, from, to string) error {
	err := again(func() error { return unix.Renameat2(d.fd(), from, d.fd(), to, unix.RENAME_NOREPLACE) })
	// Some file systems, network ones above all, know no flags (rename(2)): the
	// caller has looked that the name is free just before.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return k.rename(d, from, to)
	}
	return err
}

func (kernel) unlink(d *dir, name string) error {
	return again(func() error { return unix.Unlinkat(d.fd(), name, 0) })
}

func (k kernel) mkdir(d *dir, name string) (*os.File, error) {
	if err := again(func() error { return unix.Mkdirat(d.fd(), name, 0o755) }); err != nil {
		return nil, err
	}
	f, err := openat(d, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err == nil {
		// The TFTP server's user must get in, whatever our umask is.
		if err = f.Chmod(0o755); err == nil {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, errors.Join(err, k.rmdir(d, name))
}

func (kernel) rmdir(d *dir, name string) error {
	return again(func() error { return unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR) })
}

func (kernel) create(d *dir, name string, data []byte) error {
	fd, err := openMode(d, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return writeSynced(fd, data)
}

func (kernel) overwrite(d *dir, name string, data []byte) error {
	f, err := openMode(d, name, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return writeSynced(f, data)
}

func writeSynced(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (kernel) sync(d *dir) error {
	err := d.file.Sync()
	if errors.Is(err, unix.EINVAL) {
		return nil // the file system has no sync for directories (fsync(2))
	}
	return err
}

// readlink reads a link by a buffer of the caller's. The error is ENOENT where
// there is nothing, and EINVAL where there is something that is not a link.
func readlink(d *dir, name string, buf []byte) (int, error) {
	for {
		n, err := unix.Readlinkat(d.fd(), name, buf)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// readlinkString is readlink for a single link.
func readlinkString(d *dir, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := readlink(d, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func openat(d *dir, name string, flags int) (*os.File, error) { return openMode(d, name, flags, 0) }

func openMode(d *dir, name string, flags int, mode uint32) (*os.File, error) {
	fd := -1
	err := again(func() (err error) {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
