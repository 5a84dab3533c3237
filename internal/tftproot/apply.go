package tftproot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Change asks decide what to do about a fresh view and does it: all or nothing.
// A dry run takes no lock and stops before anything is written.
func (r *Root) Change(ctx context.Context, inv *pxepilot.Inventory, dryRun bool,
	decide func(*pxepilot.View) ([]pxepilot.Move, error),
) ([]pxepilot.Step, error) {
	if !dryRun {
		unlock, err := r.lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if err := r.recoverAll(); err != nil {
			return nil, err
		}
	}
	s, snap, err := r.openAndSee(inv)
	if err != nil {
		return nil, err
	}
	defer s.close()
	moves, err := decide(snap.view)
	if err != nil {
		return nil, err
	}
	steps := s.plan(snap, moves)
	if dryRun || len(steps) == 0 {
		return public(steps), nil
	}
	// From here on the caller's going away stops nothing.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &change{session: s, steps: steps}
	if err := c.apply(); err != nil {
		return nil, err
	}
	return public(steps), nil
}

// openAndSee opens a session and sees what is there in it. Stamps are read after
// the wait for other scans, so that an old one is not taken for this one.
func (r *Root) openAndSee(inv *pxepilot.Inventory) (*session, *snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.open()
	if err != nil {
		return nil, nil, err
	}
	snap, err := r.seeIn(s, inv)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, snap, nil
}

// A change is a plan being carried out.
type change struct {
	*session
	steps      []step
	tried      int    // how many steps were taken; the last one perhaps, where it failed
	made       []made // directories, in the order made
	planned    bool   // this change wrote the plan on disk
	recovering bool   // the plan on disk is that of a change that was cut off; it stays until it is resolved
}

// apply carries the steps out. Everything that may fail for want of space or
// permission comes before the first rename, invisibly to readers:
// temporary links, sync, plan, sync; then renames, sync, reading back; then the
// plan goes. Where anything fails, what was done is undone.
func (c *change) apply() error {
	defer c.closeMade()
	err := c.prepare()
	if err == nil {
		if err = c.switchAll(); err == nil {
			err = c.confirm()
		}
		// Where the root went away, that is why anything else failed.
		err = cmp.Or(c.replaced(), err)
	}
	if err != nil {
		return c.undo(err)
	}
	return c.finish()
}

// errOvertaken says that a name is not what the plan was made for.
var errOvertaken = errors.New("it was changed by somebody else meanwhile")

// errNoFile says that what is in the way of a link cannot be kept.
var errNoFile = errors.New("it is not a regular file, which could be kept; move it away")

// switchAll takes the steps, one rename each.
func (c *change) switchAll() error {
	buf := make([]byte, syscall.PathMax)
	for i := range c.steps {
		err := c.take(&c.steps[i], buf)
		if !errors.Is(err, errOvertaken) {
			c.tried++ // a call that failed may have been carried out all the same
		}
		if err != nil {
			return c.stepFailed(&c.steps[i], err)
		}
	}
	return c.syncDirs()
}

func (c *change) take(st *step, buf []byte) error {
	d := c.dirs[st.at.dir]
	if err := expect(d, st.at.base, st, buf); err != nil {
		return err
	}
	sys := c.root.sys
	switch {
	case st.restore && st.Was == "":
		return sys.renameNew(d, path.Base(st.Keep), st.at.base)
	case st.restore:
		return sys.rename(d, path.Base(st.Keep), st.at.base)
	case st.Becomes == "" && st.file:
		return sys.renameNew(d, st.at.base, path.Base(st.Keep))
	case st.Becomes == "":
		err := sys.renameNew(d, st.at.base, st.temp)
		st.holds = err == nil
		return err
	case st.file:
		if err := sys.link(d, st.at.base, path.Base(st.Keep)); err != nil && !(c.recovering && sameFile(d, st.at.base, path.Base(st.Keep))) {
			return err
		}
	case st.Was == "":
		err := sys.renameNew(d, st.temp, st.at.base)
		st.holds = err != nil
		if errors.Is(err, syscall.EEXIST) {
			return errOvertaken
		}
		return err
	}
	err := sys.rename(d, st.temp, st.at.base)
	st.holds = err != nil
	return err
}

// expect checks, right before a rename, that the name is what the plan is for:
// a file that was put there since must not be lost.
func expect(d *dir, base string, st *step, buf []byte) error {
	n, err := readlink(d, base, buf)
	switch {
	case err == nil && !st.file && st.Was != "" && string(buf[:n]) == st.Was:
		return nil
	case errors.Is(err, syscall.ENOENT) && !st.file && st.Was == "":
		return nil
	case errors.Is(err, syscall.EINVAL) && st.file:
		kind, err := kindOf(d, base)
		if err == nil && kind != 0 {
			return errNoFile
		}
		return err
	case err == nil, errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EINVAL):
		return errOvertaken
	}
	return err
}

// sameFile says whether two names in a directory are one file.
func sameFile(d *dir, a, b string) bool {
	var sa, sb unix.Stat_t
	return unix.Fstatat(d.fd(), a, &sa, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		unix.Fstatat(d.fd(), b, &sb, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		sa.Dev == sb.Dev && sa.Ino == sb.Ino
}

// confirm reads back what was done, and looks that the configurations are still
// there.
func (c *change) confirm() error {
	readers := min(runtime.GOMAXPROCS(0), 1+len(c.steps)/1024)
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for r := range readers {
		part := c.steps[r*len(c.steps)/readers : (r+1)*len(c.steps)/readers]
		wg.Go(func() { errs[r] = c.readBack(part) })
	}
	wg.Wait()
	return cmp.Or(errs...)
}

// replaced tells whether what was changed is no longer where the paths lead.
func (c *change) replaced() error {
	if err := c.unchanged(); err != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root was replaced during the change: %v; try again", err).Because(err)
	}
	return nil
}

// readBack looks that the names of some steps are what they should be.
func (c *change) readBack(steps []step) error {
	buf := make([]byte, syscall.PathMax)
	checked := map[spot]bool{}
	for i := range steps {
		st := &steps[i]
		if !st.final {
			continue
		}
		d := c.dirs[st.at.dir]
		n, err := readlink(d, st.at.base, buf)
		switch {
		case err == nil && st.Becomes != "" && string(buf[:n]) == st.Becomes:
		case errors.Is(err, syscall.ENOENT) && st.Becomes == "":
		case errors.Is(err, syscall.EINVAL) && st.restore:
		case err == nil, errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EINVAL):
			return c.stepFailed(st, errOvertaken)
		default:
			return c.failed("host "+pxepilot.Quote(st.Host)+": "+st.Path+" cannot be read back", err)
		}
		if end := (spot{st.at.dir, st.Becomes}); st.conf && !checked[end] {
			checked[end] = true
			if _, err := c.walk(d.loc, st.Becomes); err != nil {
				return pxepilot.Errorf(pxepilot.Conflict, "host %s: the configuration went away during the deploy", pxepilot.Quote(st.Host)).Because(err)
			}
		}
	}
	return nil
}

// finish removes what is left over and then the plan, durably, so that it is
// never carried out a second time.
func (c *change) finish() error {
	c.removeTemps()
	if err := c.removePlan(); err != nil {
		return pxepilot.Errorf(pxepilot.Internal, "everything was switched, but %s cannot be removed: %v", thePlan, plain(err)).Because(err)
	}
	return nil
}

// removeTemps removes the temporary names that still exist. One that cannot be
// removed is found at the next start.
func (c *change) removeTemps() {
	for i := range c.steps {
		st := &c.steps[i]
		if !st.holds {
			continue
		}
		if err := c.root.sys.unlink(c.dirs[st.at.dir], st.temp); err != nil && !errors.Is(err, syscall.ENOENT) {
			c.root.log.Warn("a temporary link cannot be removed", "link", st.temp, "error", err)
		}
		st.holds = false
	}
}

// stepFailed is the error for a step that could not be taken.
func (c *change) stepFailed(st *step, err error) error {
	if errors.Is(err, errOvertaken) {
		return pxepilot.Errorf(pxepilot.Conflict,
			"host %s: %s was changed by somebody else meanwhile and stays so; look at it and try again",
			pxepilot.Quote(st.Host), st.Path)
	}
	return c.failed("host "+pxepilot.Quote(st.Host)+": "+st.Path+" cannot be switched", err)
}

// failed is the error for a system call that failed.
func (c *change) failed(what string, err error) error {
	code := pxepilot.Unavailable
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOSPC):
		hint = " (or no inodes)"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		hint = fmt.Sprintf(" for the user that the server runs as (uid %d)", syscall.Geteuid())
	case errors.Is(err, syscall.EEXIST), errors.Is(err, errNoFile):
		code = pxepilot.Conflict
	}
	return pxepilot.Errorf(code, "%s: %v%s", what, plain(err), hint).Because(err)
}
