package tftproot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot"
)

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
		if st.file && errors.Is(err, syscall.EINVAL) {
			return c.forgetKept(st)
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
			return nil
		}
		return err
	}
	if d.removed() {
		return nil // and everything in it
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
