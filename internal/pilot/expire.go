package pilot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Timer is the actor of what is done when a time is over.
const Timer = "timer"

// How long the timer sleeps at most, for the clock that counts goes on while this
// machine is suspended and the one that wakes it does not; and how long it waits
// before it tries again what failed, which doubles where each try is written down.
const (
	longestSleep = 10 * time.Second
	firstRetry   = 10 * time.Second
	lastRetry    = 10 * time.Minute
)

// Expire switches hosts whose time is over, and those whose installer is done that
// could not be switched at once, until ctx ends.
func (p *Pilot) Expire(ctx context.Context) error {
	if p.book == nil {
		return nil
	}
	x := &expiry{p: p, waits: map[endingKey]wait{}}
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-alarm.C:
		case <-p.book.rearmed:
		}
		alarm.Reset(x.round(ctx))
	}
}

// An expiry is what the timer remembers between two rounds.
type expiry struct {
	p     *Pilot
	waits map[endingKey]wait
	push  wait // where what is done after a switch is owed
}

// A wait is until when something is not tried again.
type wait struct {
	until  time.Duration // since the boot of this machine
	length time.Duration
	said   string // what was written down of it
}

// An ending is what is due for hosts alike.
type ending struct {
	endingKey
	armings []*pxepilot.Arming
}

type endingKey struct {
	what pxepilot.What // TimedOut or Finished
	then string        // empty for no switch
}

// round does what is due, and says when to look again.
func (x *expiry) round(ctx context.Context) time.Duration {
	p, b := x.p, x.p.book
	b.mu.Lock()
	err := b.remember(ctx)
	now := b.clock()
	due, next := b.due(now)
	b.mu.Unlock()
	if err != nil {
		b.complain("journal", err)
		return firstRetry
	}
	site, switched := p.site(), false
	for _, e := range due {
		w := x.waits[e.endingKey]
		if w.until > now.Since {
			continue
		}
		if e.then == "" {
			p.letBe(ctx, e)
			continue
		}
		done, said, written := p.switchOn(ctx, site, e, w.said)
		switched = switched || done
		switch w.said = said; {
		case said == "":
			delete(x.waits, e.endingKey)
			continue
		case written:
			w.length = min(max(firstRetry, 2*w.length), lastRetry)
		default:
			w.length = firstRetry
		}
		w.until = now.Since + w.length
		x.waits[e.endingKey] = w
	}
	if switched || x.push.length > 0 && x.push.until <= now.Since {
		x.pushed(ctx, site, now)
	}
	return min(max(next, time.Millisecond), longestSleep)
}

// pushed does what has to be done after a switch, again and again until it works.
func (x *expiry) pushed(ctx context.Context, site *Site, now pxepilot.Moment) {
	err := x.p.push(ctx, site)
	if err == nil {
		x.push = wait{}
		return
	}
	x.push.length = min(max(firstRetry, 2*x.push.length), lastRetry)
	x.push.until = now.Since + x.push.length
	x.p.book.log.Error("links were switched, but deploy.after_switch failed; it is tried again", "error", err, "within", x.push.length)
}

// due is what is due now, and how long until something else is.
func (b *book) due(now pxepilot.Moment) ([]ending, time.Duration) {
	var list []ending
	next := longestSleep
	for _, host := range b.armings.Hosts() {
		a := b.armings.Of(host).Arming
		key := endingKey{pxepilot.TimedOut, a.Then}
		switch left := a.Left(now); {
		case a.Suspended != "":
			continue
		case !a.Finished.IsZero():
			key.what = pxepilot.Finished
		case left > 0:
			next = min(next, left)
			continue
		case a.OnTimeout == pxepilot.KeepOnTimeout:
			key.then = ""
		}
		at := slices.IndexFunc(list, func(e ending) bool { return e.endingKey == key })
		if at < 0 {
			at, list = len(list), append(list, ending{endingKey: key})
		}
		list[at].armings = append(list[at].armings, a)
	}
	return list, next
}

// letBe ends armings without a switch.
func (p *Pilot) letBe(ctx context.Context, x ending) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e := x.entry(b)
	e.Result = pxepilot.Done
	e.Why += "; it stays where it is, as was told"
	record := &pxepilot.Record{New: []*pxepilot.Entry{e}}
	for _, a := range x.armings {
		if now := b.armings.Of(a.Host).Arming; now == nil || now.Generation != a.Generation {
			continue
		}
		disarm(record, a.Host)
		e.Hosts = append(e.Hosts, pxepilot.Switch{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host], Ended: a})
	}
	e.Count = len(e.Hosts)
	if e.Count == 0 {
		return
	}
	e.Of = common(e.Hosts)
	if err := b.write(ctx, record); err != nil {
		b.saidOf("journal", err)
	}
}

func (x *ending) entry(b *book) *pxepilot.Entry {
	e := &pxepilot.Entry{At: b.now(), What: x.what, Actor: Timer, Of: x.then}
	if x.what == pxepilot.Finished {
		e.Why = "its installer was done before, when it could not be switched"
		return e
	}
	e.Loud, e.Why = true, "the time of its installer was over"
	if len(x.armings) == 1 {
		a := x.armings[0]
		e.Why = fmt.Sprintf("the time of its installer was over (%s)", a.Within)
		if a.Failure != nil {
			e.Why += ", which had failed: " + a.Failure.Reason
		}
	}
	return e
}

// switchOn switches hosts to what comes then. It tells whether it did so with any,
// what keeps it from doing so with others, and whether the journal has an entry of
// that for each try; said is what was written down before.
func (p *Pilot) switchOn(ctx context.Context, site *Site, x ending, said string) (done bool, problem string, written bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	b := p.book
	e := x.entry(b)
	var refused []error
	var left []*pxepilot.Arming
	movedOn := false
	came, err := p.switchLinks(ctx, site, false, e, func(view *pxepilot.View) (plan, error) {
		var to plan
		refused, left, movedOn = nil, nil, false
		for _, a := range x.armings {
			switch err := p.goOn(&to, site, view, a); {
			case errors.Is(err, errMovedOn):
				movedOn = true
			case err != nil:
				refused, left = append(refused, err), append(left, a)
			}
		}
		if len(to.moves) == 0 {
			return plan{}, errNothingToDo
		}
		return to, nil
	})
	if movedOn {
		p.look(ctx)
	}
	switch {
	case err == nil:
		done = true
		if came.unrecorded != nil {
			b.complain("journal", came.unrecorded)
		}
	case !errors.Is(err, errNothingToDo):
		written = e.Result != pxepilot.UnderWay
		refused, left = append(refused, err), x.armings
	}
	if len(refused) == 0 {
		return done, "", false
	}
	problem = pxepilot.ErrorMessage(join(refused))
	if problem != said && !written {
		p.cannot(ctx, x, left, problem)
	}
	return done, problem, written
}

var errNothingToDo = errors.New("nothing is to be done")

// cannot writes down, once, what keeps hosts from being switched.
func (p *Pilot) cannot(ctx context.Context, x ending, left []*pxepilot.Arming, problem string) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e := x.entry(b)
	e.Loud, e.Result, e.Error, e.Count = true, pxepilot.NotDone, problem+"; it is tried again", len(left)
	for _, a := range left {
		e.Hosts = append(e.Hosts, pxepilot.Switch{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host]})
	}
	if err := b.write(ctx, &pxepilot.Record{New: []*pxepilot.Entry{e}}); err != nil {
		b.saidOf("journal", err)
	}
}
