package pilot

import (
	"context"
	"errors"
	"slices"

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
	failed := map[string]error{}
	came, err := p.switchLinks(ctx, site, false, e, func(view *pxepilot.View) (plan, error) {
		var to plan
		for _, r := range back {
			i := slices.IndexFunc(done.hosts, func(s pxepilot.Switch) bool { return s.Host == r.Host })
			if err := p.planBack(&to, site, view, &done.hosts[i]); err != nil {
				failed[r.Host] = err
			}
		}
		if len(to.moves) == 0 {
			return plan{}, errNothingToDo
		}
		return to, nil
	})
	for _, r := range back {
		switch why := failed[r.Host]; {
		case errors.Is(why, errMovedOn):
			p.look(ctx)
		case why != nil || err != nil:
			if why == nil {
				why = err
			}
			r.Problem = pxepilot.Errorf(pxepilot.Conflict, "%v; it could not be put back, and boots %s once when it is turned on: %s",
				r.Problem, pxepilot.Quote(r.Configuration), pxepilot.ErrorMessage(why)).Because(why)
		default:
			i := slices.IndexFunc(came.hosts, func(s pxepilot.Switch) bool { return s.Host == r.Host })
			r.Configuration, r.Armed = came.hosts[i].After.Configuration, came.hosts[i].Armed
			r.Problem = pxepilot.Errorf(pxepilot.Conflict, "%v; it was put back to %s", r.Problem, inPlace(r.Configuration)).Because(errors.Unwrap(r.Problem))
		}
	}
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
			return nil
		}
	}
	return p.goOn(to, site, view, a)
}
