package pilot

import (
	"context"
	"errors"

	"github.com/pxe-pilot/pxe-pilot"
)

// putBack takes back what was deployed once to hosts that were to be rebooted and
// were not, whatever the reason: a configuration that wipes a machine must not wait
// for somebody to turn it on weeks later.
func (p *Pilot) putBack(ctx context.Context, site *Site, c Change, done switching, out *Outcome) {
	var back []*Result
	for i, ref := range c.Hosts { // in the order of results
		r := &out.Hosts[i]
		if ref.Reboot && r.Refused == nil && !r.Rebooted && r.Armed != nil && ref.Once.OnPowerError != KeepOnPowerError {
			back = append(back, r)
		}
	}
	if len(back) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	e := &pxepilot.Entry{What: pxepilot.PutBack, Actor: c.By.Name, From: c.By.From, Undoes: done.entry, Loud: true, Why: "it was to be rebooted, and was not"}
	failed, at := map[string]error{}, map[string]int{}
	for i := range done.hosts {
		at[done.hosts[i].Host] = i
	}
	decide := func(view *pxepilot.View) (plan, error) {
		var to plan
		clear(failed)
		for _, r := range back {
			if err := p.planBack(&to, site, view, &done.hosts[at[r.Host]]); err != nil {
				failed[r.Host] = err
			}
		}
		if len(to.moves) == 0 {
			return plan{}, errNothingToDo
		}
		return to, nil
	}
	came, err := p.switchLinks(ctx, site, false, e, decide)
	for tries := len(back); errors.Is(err, errMovedOn) && tries > 0; tries-- { // one of them, since it was planned
		came, err = p.switchLinks(ctx, site, false, e, decide)
	}
	now := map[string]*pxepilot.Switch{}
	for i := range came.hosts {
		now[came.hosts[i].Host] = &came.hosts[i]
	}
	var moved []*Result
	for _, r := range back {
		switch why := failed[r.Host]; {
		case errors.Is(why, errMovedOn), errors.Is(err, errMovedOn):
			moved = append(moved, r)
		case why != nil || err != nil:
			if why == nil {
				why = err
			}
			r.Problem = pxepilot.Errorf(pxepilot.Conflict, "%v; it could not be put back, and boots %s once when it is turned on: %s",
				r.Problem, pxepilot.Quote(r.Configuration), pxepilot.ErrorMessage(why)).Because(why)
		default:
			r.Configuration, r.Armed = now[r.Host].After.Configuration, now[r.Host].Armed
			r.Problem = pxepilot.Errorf(pxepilot.Conflict, "%v; it was put back to %s", r.Problem, inPlace(r.Configuration)).Because(errors.Unwrap(r.Problem))
		}
	}
	p.where(ctx, site, moved)
	if err != nil {
		return
	}
	if out.Unrecorded == nil {
		out.Unrecorded = came.unrecorded
	}
	if err := p.push(ctx, site); err != nil && out.AfterSwitch == nil {
		out.AfterSwitch = pxepilot.Errorf(pxepilot.Unavailable,
			"hosts that were not rebooted were put back, but deploy.after_switch failed then: %s; mend that and repair a host, which does it again",
			pxepilot.ErrorMessage(err)).Because(err)
	}
}

// where tells of hosts that somebody else switched meanwhile where they are.
func (p *Pilot) where(ctx context.Context, site *Site, moved []*Result) {
	if len(moved) == 0 {
		return
	}
	p.look(ctx) // the journal tells by whom
	view, err := site.Root.View(ctx, site.Inventory)
	for _, r := range moved {
		r.Problem = pxepilot.Errorf(pxepilot.Conflict, "%v; it was not put back, for somebody else switched it meanwhile", r.Problem).Because(errors.Unwrap(r.Problem))
		if r.Armed = p.Armings().Of(r.Host).Arming; err == nil {
			r.Configuration = view.Of(view.Inventory.ByName(r.Host)).Configuration
		}
	}
}

func inPlace(configuration string) string {
	if configuration == "" {
		return "no configuration, as before"
	}
	return pxepilot.Quote(configuration)
}

// planBack plans that a host boots what it did before. Where that was once as well,
// or the same configuration, or cannot be had again, it gets what comes then.
func (p *Pilot) planBack(to *plan, site *Site, view *pxepilot.View, s *pxepilot.Switch) error {
	a := s.Armed
	if s.Ended == nil && s.Before.Configuration != a.Configuration && p.book.holds(view, a) {
		h := view.Inventory.ByName(s.Host)
		if m, err := backTo(s.Before, view.Of(h), view, false); err == nil {
			to.add(m, nil)
			to.rely(a)
			return nil
		}
	}
	return p.onward(to, site, view, a)
}
