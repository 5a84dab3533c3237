package tftproot

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// Recover resolves what a crash left, at the start: a plan that was not carried
// out to its end, and temporary links. It goes forward from the plan on disk, or
// back where the change had failed already; what somebody changed by hand
// meanwhile is reported in the log, not overwritten. Where it fails, the next
// change begins with it, and is refused as long as it fails.
func (r *Root) Recover(ctx context.Context) error {
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r.recovered = false
	return r.recoverAll()
}

// recoverAll is Recover for a caller that holds the lock. Once it has succeeded,
// only the plan of another process that died can be there.
func (r *Root) recoverAll() error {
	if err := r.recoverPlan(); err != nil || r.recovered {
		return err
	}
	s, err := r.open()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.sweep(); err != nil {
		return err
	}
	r.recovered = true
	return nil
}

// recoverPlan resolves the plan on disk, if there is one. The caller holds the
// lock.
func (r *Root) recoverPlan() error {
	s, err := r.open()
	if err != nil {
		return err
	}
	defer s.close()
	plan, back, whole, found, err := s.readPlan()
	if err != nil {
		return broken(thePlan, path.Join(r.path, planName), err)
	}
	if !found {
		return nil
	}
	c := &change{session: s, recovering: true}
	if whole {
		if c.steps, err = s.pending(plan, back); err != nil {
			return err
		}
	}
	r.log.Warn("a change was cut off; resolving it", "plan", planName, "whole", whole, "back", back, "steps", len(plan.Steps), "left", len(c.steps))
	if err := s.sweep(); err != nil {
		return err
	}
	if len(c.steps) == 0 {
		if err := c.removePlan(); err != nil {
			return broken(thePlan+" cannot be removed", path.Join(r.path, planName), err)
		}
		return nil
	}
	if err := c.apply(); err != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "the change that was cut off cannot be resolved: %v", err).Because(err)
	}
	return nil
}

// pending finds out what of a plan is left to do: for every name, the steps
// after the one that it shows, or before it and the other way round where the
// plan is to be undone.
func (s *session) pending(plan savedPlan, back bool) ([]step, error) {
	all, err := s.saved(plan)
	if err != nil {
		return nil, err
	}
	history := map[spot][]int{}
	for i := range all {
		history[all[i].at] = append(history[all[i].at], i)
	}
	due := make([]bool, len(all))
	for at, steps := range history {
		shows, err := s.progress(all, steps, at)
		if err != nil {
			return nil, err
		}
		if back && shows == 0 {
			if err := s.forgetKept(&all[steps[0]]); err != nil {
				return nil, broken("the second name of a file, "+all[steps[0]].Keep, s.onDisk(s.locOf(at)), err)
			}
		}
		first := &all[steps[0]]
		stays := ""
		switch {
		case shows < 0:
			stays = "a link was changed by hand after a change was cut off; it stays as it is"
		case back && shows > 0 && s.lost(first):
			stays = "the file that a link took the place of went away after a change was cut off; the link stays as it is"
		case back:
			steps = steps[:shows]
		case s.gone(all, steps[shows:]):
			stays = "a configuration went away after a change was cut off; the host's link stays as it is"
		default:
			steps = steps[shows:]
		}
		if stays != "" {
			s.root.log.Warn(stays, "host", first.Host, "link", first.Path)
			continue
		}
		for _, i := range steps {
			due[i] = true
		}
	}
	var left []step
	for i := range all {
		if due[i] {
			left = append(left, all[i])
		}
	}
	if back {
		slices.Reverse(left)
		for i := range left {
			left[i] = undoing(left[i])
		}
	}
	return left, nil
}

// saved makes the steps of a plan on disk anew, in the directories that they
// were for.
func (s *session) saved(plan savedPlan) ([]step, error) {
	dirs := make([]int, len(plan.Dirs))
	for i, d := range plan.Dirs {
		tree, rel, ok := 0, d, true
		if path.IsAbs(d) {
			tree, rel, ok = s.mapAbsolute(d)
		}
		what := called(loc{0, d})
		if path.IsAbs(d) {
			what = "a directory outside of the TFTP root"
		}
		if !ok {
			return nil, broken(thePlan+": "+what, d, errLeaves)
		}
		at, err := s.openDir(loc{tree, "."}, rel)
		if err != nil {
			return nil, broken(thePlan+": "+what, d, err)
		}
		dirs[i] = at
	}
	all := make([]step, len(plan.Steps))
	for i, p := range plan.Steps {
		if p.Dir < 0 || p.Dir >= len(dirs) || strings.Contains(p.Base, "/") {
			return nil, pxepilot.Errorf(pxepilot.Unavailable, thePlan+": it is not one of this program's")
		}
		all[i] = step{
			Step: pxepilot.Step{Host: p.Host, Bootloader: p.Bootloader, Path: p.Path, Was: p.Was, Becomes: p.Becomes, Keep: p.Keep},
			at:   spot{dirs[p.Dir], p.Base}, file: p.File, conf: p.Conf, temp: p.Temp,
		}
	}
	return all, nil
}

// progress tells how many of the steps of a name were taken, judging by what it
// shows, or -1 where it shows none of them.
func (s *session) progress(all []step, steps []int, at spot) (int, error) {
	now, err := s.readSpot(at, all[steps[0]].Path)
	if err != nil {
		return 0, err
	}
	for n := len(steps); n > 0; n-- {
		if st := &all[steps[n-1]]; st.Becomes == "" && now.is == nothing || st.Becomes != "" && now.is == aLink && now.value == st.Becomes {
			return n, nil
		}
	}
	first := &all[steps[0]]
	switch {
	case first.file && now.is == notALink,
		!first.file && first.Was == "" && now.is == nothing,
		!first.file && first.Was != "" && now.is == aLink && now.value == first.Was:
		return 0, nil
	}
	return -1, nil
}

func (s *session) readSpot(at spot, shown string) (text, error) {
	d := s.dirs[at.dir]
	if d.missing() {
		return text{}, nil
	}
	value, err := readlinkString(d, at.base)
	switch {
	case err == nil:
		return text{is: aLink, value: value}, nil
	case errors.Is(err, fs.ErrNotExist):
		return text{}, nil
	case errors.Is(err, syscall.EINVAL):
		return text{is: notALink}, nil
	}
	return text{}, broken("link "+shown, s.onDisk(s.locOf(at)), err)
}

// undoing is the step that takes a step back.
func undoing(st step) step {
	st.Was, st.Becomes = st.Becomes, st.Was
	st.file, st.restore, st.conf = false, st.file, false
	return st
}

// lost says whether the file that a step put aside is no longer there.
func (s *session) lost(st *step) bool {
	d := s.dirs[st.at.dir]
	if !st.file || d.missing() {
		return st.file
	}
	_, err := kindOf(d, path.Base(st.Keep))
	return errors.Is(err, syscall.ENOENT)
}

// forgetKept removes the second name of a file that a step was about to take the
// place of, but did not.
func (s *session) forgetKept(st *step) error {
	d := s.dirs[st.at.dir]
	if !st.file || d.missing() || !sameFile(d, st.at.base, path.Base(st.Keep)) {
		return nil
	}
	return s.root.sys.unlink(d, path.Base(st.Keep))
}

// gone says whether the last of the steps leads to a configuration that is no
// longer there.
func (s *session) gone(all []step, steps []int) bool {
	if len(steps) == 0 {
		return false
	}
	st := &all[steps[len(steps)-1]]
	if !st.conf {
		return false
	}
	_, err := s.walk(s.dirs[st.at.dir].loc, st.Becomes)
	return err != nil
}

// sweep removes temporary links that a crash left.
func (s *session) sweep() error {
	for _, d := range s.dirs {
		if d.missing() {
			continue
		}
		names, err := namesIn(d)
		if err != nil {
			return broken(called(d.loc), s.onDisk(d.loc), err)
		}
		for _, n := range names {
			if !strings.HasPrefix(n, layout.TempPrefix) {
				continue
			}
			if kind, err := kindOf(d, n); err != nil || kind != fs.ModeSymlink {
				continue
			}
			if err := s.root.sys.unlink(d, n); err != nil {
				return broken("temporary link "+n+" in "+called(d.loc), path.Join(s.onDisk(d.loc), n), err)
			}
		}
	}
	return nil
}
