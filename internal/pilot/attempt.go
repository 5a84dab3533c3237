package pilot

import (
	"context"
	"errors"

	"github.com/pxe-pilot/pxe-pilot"
)

// An attempt is to switch hosts alike in one round. One host that cannot be switched
// keeps no other from it: where all of them cannot be at once, each half is tried, and
// so on, until a few in a row failed alone: then it may not be about them.
type attempt struct {
	x *expiry
	endingKey
	row      int   // of hosts that failed alone since any was switched
	last     error // why the last one did
	switched bool  // any was
}

// enough of those in a row.
const enough = 3

// of tries to switch some of the hosts. It returns what kept it from trying all.
func (t *attempt) of(ctx context.Context, armings []*pxepilot.Arming) (gaveUp error) {
	armings = t.x.left(armings)
	if len(armings) == 0 {
		return nil
	}
	switched, refused, tried, all := t.x.p.switchOn(ctx, ending{t.endingKey, armings})
	t.x.cannot(ctx, t.endingKey, refused, (*wait).longer)
	switch {
	case switched:
		t.row, t.switched = 0, true
		t.x.push()
		return nil
	case all == nil:
		return nil
	case !tried: // for a reason that is not of these hosts
		return all
	case len(armings) == 1:
		t.x.cannot(ctx, t.endingKey, failures(armings, all), (*wait).alones)
		t.last = all
		if t.row++; t.row >= enough {
			return all
		}
		return nil
	}
	half := len(armings) / 2
	if gaveUp = t.of(ctx, armings[:half]); gaveUp == nil {
		gaveUp = t.of(ctx, armings[half:])
	}
	return gaveUp
}

// switchOn tries it once: refused are those that the rules refuse, and all is what
// kept all others from being switched, which was tried, or not even begun.
func (p *Pilot) switchOn(ctx context.Context, x ending) (switched bool, refused []failure, tried bool, all error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	site, e := p.site(), x.entry(p.book)
	movedOn := false
	came, err := p.switchLinks(ctx, site, false, e, func(view *pxepilot.View) (plan, error) {
		var to plan
		refused = nil
		for _, a := range x.armings {
			switch err := p.onward(&to, site, view, a); {
			case errors.Is(err, errMovedOn):
				movedOn = true
			case err != nil:
				refused = append(refused, failure{a, err})
			}
		}
		if len(to.moves) == 0 {
			return plan{}, errNothingToDo
		}
		return to, nil
	})
	movedOn = movedOn || errors.Is(err, errMovedOn)
	if movedOn {
		p.look(ctx) // the journal tells by whom
	}
	switch {
	case err == nil:
		if came.unrecorded != nil {
			p.book.complain("journal", came.unrecorded)
		}
		return true, refused, true, nil
	case errors.Is(err, errNothingToDo), errors.Is(err, errMovedOn):
		return false, refused, false, nil
	}
	return false, nil, came.tried, err
}

var errNothingToDo = errors.New("nothing is to be done")

// A failure is why a host was not switched.
type failure struct {
	*pxepilot.Arming
	why error
}

// failures are those of hosts for one reason.
func failures(armings []*pxepilot.Arming, why error) []failure {
	list := make([]failure, len(armings))
	for i, a := range armings {
		list[i] = failure{a, why}
	}
	return list
}

// cannot notes why hosts were not switched, and when they are tried again. What is
// new of it is told in the journal, or where that cannot be in the log.
func (x *expiry) cannot(ctx context.Context, key endingKey, left []failure, waits func(*wait)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	b := x.p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now, told := b.clock().Since, ending{endingKey: key}
	var reasons []error
	for _, f := range left {
		w, why := x.waits[f.Generation], pxepilot.ErrorMessage(f.why)
		if w == nil {
			w = &wait{}
			x.waits[f.Generation] = w
		}
		before := w.alone
		waits(w)
		if w.why != why && w.alone == before { // else it is an entry by itself
			told.armings = append(told.armings, f.Arming)
			if len(reasons) == 0 || pxepilot.ErrorMessage(reasons[len(reasons)-1]) != why {
				reasons = append(reasons, pxepilot.Errorf(pxepilot.ErrorCode(f.why), "%s", why).Because(causeOf(f.why)))
			}
		}
		w.why, w.until = why, now+w.length
	}
	if len(told.armings) == 0 {
		return
	}
	entry := told.entry(b)
	entry.Loud, entry.Result, entry.Error = true, pxepilot.NotDone, pxepilot.ErrorMessage(join(reasons))+"; it is tried again"
	for _, a := range told.armings {
		entry.Hosts = append(entry.Hosts, pxepilot.Switch{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host]})
	}
	entry.Count = len(entry.Hosts)
	if err := b.write(ctx, &pxepilot.Record{New: []*pxepilot.Entry{entry}}); err != nil {
		b.saidOf("journal", err)
		b.log.Error("hosts are not switched whose time is over, or whose installer is done; it is tried again",
			"then", key.then, "hosts", names(entry.Hosts), "error", entry.Error, "cause", errors.Unwrap(reasons[0]))
	}
}
