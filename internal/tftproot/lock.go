package tftproot

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// lockWait is how long a change waits for another one, in this process or not,
// unless a test has less time.
const lockWait = 5 * time.Second

// lockPoll is how often the lock of another process is tried again: flock(2)
// cannot be waited for with a deadline.
const lockPoll = 10 * time.Millisecond

// lock takes the right to change links: from the other requests of this process,
// and from other processes by flock on the root's directory.
func (r *Root) lock(ctx context.Context) (unlock func(), err error) {
	deadline := time.NewTimer(r.lockWait)
	defer deadline.Stop()
	busy := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return pxepilot.Errorf(pxepilot.Unavailable, "another change of the TFTP root has been going on for %v; try again", r.lockWait)
	}
	select {
	case r.changing <- struct{}{}:
	case <-deadline.C:
		return nil, busy()
	case <-ctx.Done():
		return nil, busy()
	}
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for try := 1; ; try++ {
		f, err := r.tryLock()
		if f != nil {
			return func() {
				_ = f.Close() // gives the flock back
				<-r.changing
			}, nil
		}
		if err != nil {
			<-r.changing
			return nil, broken(theRoot, r.path, err)
		}
		if try == 1 {
			r.log.Info("another process is changing the TFTP root; waiting for its end", "root", r.path, "most", r.lockWait)
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			<-r.changing
			return nil, busy()
		case <-ctx.Done():
			<-r.changing
			return nil, busy()
		}
	}
}

// tryLock returns the root's directory, locked, or nil while another process has
// the lock. It opens the root anew each time: one that was put in the place of
// another is not locked by whoever waited for that.
func (r *Root) tryLock() (*os.File, error) {
	f, err := os.OpenFile(r.path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	err = again(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, f.Close()
	case err != nil:
		// NFS locks byte ranges of files that are open for writing, which a
		// directory never is (flock(2)).
		r.warnLock.Do(func() {
			r.log.Warn("the TFTP root's file system has no locks for directories; two servers on it would not exclude each other",
				"root", r.path, "error", err)
		})
	}
	locked, err := f.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Stat(r.path); err == nil && os.SameFile(locked, there) {
			return f, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}
