package tftproot

import (
	"context"
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// lockWait is how long a change waits for another one, in this process or not.
const lockWait = 5 * time.Second

// lockPoll is how often the lock of another process is tried again: flock(2)
// cannot be waited for with a deadline.
const lockPoll = 10 * time.Millisecond

// lock takes the right to change links: from the other requests of this process,
// and from other processes by flock on the root's directory.
func (r *Root) lock(ctx context.Context) (unlock func(), err error) {
	deadline := time.NewTimer(lockWait)
	defer deadline.Stop()
	busy := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return pxepilot.Errorf(pxepilot.Unavailable, "another change of the TFTP root %s has been going on for %v; try again", r.path, lockWait)
	}
	select {
	case r.changing <- struct{}{}:
	case <-deadline.C:
		return nil, busy()
	case <-ctx.Done():
		return nil, busy()
	}
	s, err := r.open()
	if err != nil {
		<-r.changing
		return nil, err
	}
	f, err := s.trees[0].Open(".")
	s.close()
	if err != nil {
		<-r.changing
		return nil, broken("TFTP root "+r.path, err)
	}
	unlock = func() {
		_ = f.Close() // gives the flock back
		<-r.changing
	}
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := again(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
		switch {
		case err == nil:
			return unlock, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
		default:
			// NFS locks byte ranges of files that are open for writing, which a
			// directory never is (flock(2)).
			r.warnLock.Do(func() {
				r.log.Warn("the TFTP root's file system has no locks for directories; two servers on it would not exclude each other",
					"root", r.path, "error", err)
			})
			return unlock, nil
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			unlock()
			return nil, busy()
		case <-ctx.Done():
			unlock()
			return nil, busy()
		}
	}
}
