package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// lockWait is how long another process may keep the journal. lockPoll is how
// often that is looked at.
const (
	lockWait = 5 * time.Second
	lockPoll = 20 * time.Millisecond
)

// makeDirectory makes the directory itself, but nothing above it: where that is
// missing, a disk may not be mounted.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(dir))
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// acquire takes the lock of a directory, so that two servers never share it.
func acquire(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, misplaced(err)
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			_ = f.Close()
			return nil, misplaced(err)
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			_ = f.Close()
			return nil, pxepilot.Errorf(pxepilot.Unavailable, "another server uses the %s; end that one, or give each its own", directory)
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		}
	}
}

// misplaced makes a clear sentence of what keeps files from being in the directory.
func misplaced(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unavailable(err, "the "+directory+" is missing; make it, or see that its disk is mounted")
	case errors.Is(err, unix.ENOTDIR):
		return unavailable(err, "the "+directory+" is not a directory; name another one")
	case errors.Is(err, fs.ErrPermission):
		return unavailable(err, "the "+directory+" is closed to the user of the server; give it to that user (chown)")
	case errors.Is(err, unix.EROFS):
		return unavailable(err, "the "+directory+" is on a read-only file system; mount it writable, or name another one")
	case isFull(err):
		return unavailable(err, full)
	}
	return unavailable(err, "the "+directory+" cannot be used; see what the kernel says of its disk (dmesg)")
}
