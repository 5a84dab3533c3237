package tftproot

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
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
		// Another process may have died since the last start.
		if err := r.recoverPlan(); err != nil {
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

// made is a directory that a change made: name in parent.
type made struct {
	parent *dir
	name   string
}

// apply carries the steps out. Everything that may fail for want of space or
// permission comes before the first rename, invisibly to readers:
// temporary links, sync, plan, sync; then renames, sync, reading back; then the
// plan goes. Where anything fails, what was done is undone.
func (c *change) apply() error {
	defer c.closeMade()
	err := c.prepare()
	if err == nil {
		err = c.switchAll()
	}
	if err == nil {
		err = c.confirm()
	}
	if err != nil {
		return c.undo(err)
	}
	return c.finish()
}

// prepare makes everything that the renames need.
func (c *change) prepare() error {
	if err := c.makeDirs(); err != nil {
		return err
	}
	if err := c.makeTemps(); err != nil {
		return err
	}
	if err := c.syncDirs(); err != nil {
		return err
	}
	if c.recovering {
		return nil
	}
	if err := c.writePlan(); err != nil {
		return c.failed("the plan of the change cannot be written", err)
	}
	return nil
}

// makeDirs makes the directories of links that are missing.
func (c *change) makeDirs() error {
	for _, st := range c.steps {
		d := c.dirs[st.at.dir]
		if !d.missing() || st.Becomes == "" {
			continue
		}
		parent := &dir{loc: loc{d.tree, "."}}
		var err error
		if parent.file, err = c.trees[d.tree].Open("."); err != nil {
			return c.failed("the TFTP root cannot be opened", err)
		}
		for _, name := range components(d.path) {
			next := &dir{loc: loc{d.tree, path.Join(parent.path, name)}}
			if _, err := kindOf(parent, name); errors.Is(err, syscall.ENOENT) {
				if next.file, err = c.root.sys.mkdir(parent, name); err != nil {
					_ = parent.file.Close()
					return c.failed("directory "+next.path+" cannot be made", err)
				}
				c.made = append(c.made, made{parent, name})
				if err := c.root.sys.sync(parent); err != nil {
					_ = next.file.Close()
					return c.failed("directory "+next.path+" cannot be made durable", err)
				}
			} else {
				next.file, err = openat(parent, name, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW)
				_ = parent.file.Close()
				if err != nil {
					return c.failed("directory "+next.path+" cannot be opened", err)
				}
			}
			parent = next
		}
		d.file = parent.file
		if d.seen, err = stampOf(d); err != nil {
			return c.failed("directory "+d.path+" cannot be looked at", err)
		}
		d.id = d.seen.id
	}
	return nil
}

func (c *change) closeMade() {
	for _, m := range c.made {
		_ = m.parent.file.Close()
	}
	c.made = nil
}

// makeTemps makes every temporary link. Links with one text are one inode under
// many names: hard links of symbolic links cost no inode, and file systems such
// as ext4 are slow to hand out inodes that were freed a moment ago.
func (c *change) makeTemps() error {
	type shared struct {
		dir  int
		text string
	}
	first := map[shared]string{}
	used := map[spot]int{}
	var txs []string
	for i := range c.steps {
		st := &c.steps[i]
		// A name that changes twice in one plan needs two temporary names.
		turn := used[st.at]
		used[st.at]++
		st.turn = turn
		if turn == len(txs) {
			txs = append(txs, newTx())
		}
		st.temp = layout.TempName(txs[turn], st.at.base)
		if st.Becomes == "" || st.restore {
			continue
		}
		d := c.dirs[st.at.dir]
		key := shared{st.at.dir, st.Becomes}
		if from, ok := first[key]; ok && c.root.sys.link(d, from, st.temp) == nil {
			st.holds = true
			continue
		}
		// The first of its text, or one more than an inode has links for.
		if err := c.root.sys.symlink(st.Becomes, d, st.temp); err != nil {
			return c.failed("host "+pxepilot.Quote(st.Host)+": no link can be made beside "+st.Path, err)
		}
		st.holds = true
		first[key] = st.temp
	}
	for i := range c.steps {
		c.steps[i].final = c.steps[i].turn == used[c.steps[i].at]-1
	}
	return nil
}

func newTx() string {
	var b [layout.TxLen / 2]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// syncDirs makes what was done to the names of the plan durable.
func (c *change) syncDirs() error {
	synced := map[int]bool{}
	for i := range c.steps {
		at := c.steps[i].at.dir
		if synced[at] || c.dirs[at].missing() {
			continue
		}
		synced[at] = true
		if err := c.root.sys.sync(c.dirs[at]); err != nil {
			return c.failed("directory "+c.dirs[at].path+" cannot be made durable", err)
		}
	}
	return nil
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
	if err != nil && st.file {
		c.forgetKept(st)
	}
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

// confirm reads back what was done, and looks that it was done where the paths
// lead: the configurations are still there, and so are the directories.
func (c *change) confirm() error {
	readers := min(runtime.GOMAXPROCS(0), 1+len(c.steps)/1024)
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for r := range readers {
		part := c.steps[r*len(c.steps)/readers : (r+1)*len(c.steps)/readers]
		wg.Go(func() { errs[r] = c.readBack(part) })
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
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
		return pxepilot.Errorf(pxepilot.Internal, "everything was switched, but the plan %s cannot be removed: %v",
			path.Join(c.root.path, planName), plain(err)).Because(err)
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
		if err := c.root.sys.unlink(c.dirs[st.at.dir], st.temp); err != nil {
			c.root.log.Warn("a temporary link cannot be removed", "link", st.temp, "error", err)
		}
		st.holds = false
	}
}

// undo takes back what was done after cause, and returns what to tell.
func (c *change) undo(cause error) error {
	turned := !c.planned
	if c.planned {
		err := c.turnPlan()
		if turned = err == nil; !turned {
			c.root.log.Error("the plan cannot be turned back", "error", err)
		}
	}
	err := c.takeBackAll()
	if err == nil {
		c.removeTemps()
		for i := len(c.made) - 1; i >= 0; i-- {
			_ = c.root.sys.rmdir(c.made[i].parent, c.made[i].name) // somebody may have begun to use it
		}
		if c.planned {
			if stays := c.removePlan(); stays != nil {
				c.root.log.Error("the plan cannot be removed; the next start does it", "error", stays)
				if !turned {
					err = stays // it would be carried out
				}
			}
		}
	}
	if err != nil {
		c.root.log.Error("a change could not be undone", "cause", cause, "error", err)
		// The plan stays: the next start, or the next change, goes on from it.
		return pxepilot.Errorf(pxepilot.Internal, "%s; and undoing the change failed: %s; mend that and start the server again, which resolves it",
			pxepilot.ErrorMessage(cause), c.whereabouts()).Because(errors.Join(cause, err))
	}
	return pxepilot.Errorf(pxepilot.ErrorCode(cause), "%s; nothing was switched", pxepilot.ErrorMessage(cause)).Because(cause)
}

// takeBackAll undoes the steps that were tried, the last one first.
func (c *change) takeBackAll() error {
	var failures []error
	for i := c.tried - 1; i >= 0; i-- {
		if err := c.takeBack(&c.steps[i]); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", c.steps[i].Path, err))
		}
	}
	if c.tried > 0 {
		failures = append(failures, c.syncDirs())
	}
	return errors.Join(failures...)
}

// takeBack undoes one step, unless somebody else has changed the name since.
func (c *change) takeBack(st *step) error {
	d := c.dirs[st.at.dir]
	sys := c.root.sys
	now, err := readlinkString(d, st.at.base)
	ours := err == nil && st.Becomes != "" && now == st.Becomes ||
		errors.Is(err, fs.ErrNotExist) && st.Becomes == ""
	if !ours {
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
			return nil
		}
		return err
	}
	switch {
	case st.file && st.Becomes == "":
		return sys.renameNew(d, path.Base(st.Keep), st.at.base)
	case st.file:
		return sys.rename(d, path.Base(st.Keep), st.at.base)
	case st.Becomes == "":
		err := sys.renameNew(d, st.temp, st.at.base)
		st.holds = err != nil
		return err
	case st.Was == "":
		return sys.unlink(d, st.at.base)
	}
	if err := sys.symlink(st.Was, d, st.temp); err != nil {
		return err
	}
	err = sys.rename(d, st.temp, st.at.base)
	st.holds = err != nil
	return err
}

// whereabouts names each host of the plan as old, new or unknown.
func (c *change) whereabouts() string {
	const isOld, isNew = 1, 2
	first, last := map[spot]*step{}, map[spot]*step{}
	for i := range c.steps {
		st := &c.steps[i]
		first[st.at] = cmp.Or(first[st.at], st)
		last[st.at] = st
	}
	var order []string
	is := map[string]int{}
	for i := range c.steps {
		st := &c.steps[i]
		if last[st.at] != st {
			continue
		}
		now, err := readlinkString(c.dirs[st.at.dir], st.at.base)
		state := 0
		switch {
		case errors.Is(err, syscall.EINVAL) && first[st.at].file:
			state = isOld
		case err != nil && !errors.Is(err, fs.ErrNotExist):
		case now == st.Becomes:
			state = isNew
		case now == first[st.at].Was:
			state = isOld
		}
		if seen, ok := is[st.Host]; ok && seen != state {
			state = 0
		} else if !ok {
			order = append(order, st.Host)
		}
		is[st.Host] = state
	}
	list := make([]string, len(order))
	for i, h := range order {
		list[i] = pxepilot.Quote(h) + " is " + [...]string{"unknown", "old", "new"}[is[h]]
	}
	return strings.Join(list, ", ")
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
