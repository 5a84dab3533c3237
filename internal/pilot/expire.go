package pilot

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	x := newExpiry(p)
	if p.unpushed(p.site()) { // what an earlier server switched
		x.push()
	}
	var pusher sync.WaitGroup
	pusher.Go(func() { x.pushes(ctx) })
	defer pusher.Wait()
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
	waits map[uint64]*wait  // of hosts that could not be switched, by generation
	vain  map[endingKey]int // rounds in a row in which none of hosts alike could be
	turn  uint64            // counts rounds with such hosts
	owed  chan struct{}     // what is done after a switch
}

func newExpiry(p *Pilot) *expiry {
	return &expiry{p: p, waits: map[uint64]*wait{}, vain: map[endingKey]int{}, owed: make(chan struct{}, 1)}
}

// A wait is until when a host is not tried again.
type wait struct {
	until  time.Duration // since the boot of this machine
	length time.Duration
	alone  int // how often it failed alone
	why    string
}

// longer is for a host that the rules refuse.
func (w *wait) longer() { w.length = min(max(firstRetry, 2*w.length), lastRetry) }

// alones is for one that failed alone, which is written down each time: the others go
// first.
func (w *wait) alones() {
	w.alone++
	w.length = min(max(2*firstRetry, 2*w.length), lastRetry)
}

func (x *expiry) alone(a *pxepilot.Arming) int {
	if w := x.waits[a.Generation]; w != nil {
		return w.alone
	}
	return 0
}

// scattered puts neighbours apart, and others first in each turn: hosts that cannot be
// switched are often those of one kind, and have names that are alike. It is a
// multiplicative hash, by the golden ratio.
func (x *expiry) scattered(a *pxepilot.Arming) uint64 {
	return (a.Generation + x.turn) * 0x9E3779B97F4A7C15
}

// left are those that are armed still and do not wait.
func (x *expiry) left(armings []*pxepilot.Arming) []*pxepilot.Arming {
	v, now := x.p.Armings(), x.p.book.clock().Since
	return slices.DeleteFunc(slices.Clone(armings), func(a *pxepilot.Arming) bool {
		w, is := x.waits[a.Generation], v.Of(a.Host).Arming
		return is == nil || is.Generation != a.Generation || w != nil && w.until > now
	})
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
	b := x.p.book
	b.mu.Lock()
	err := b.remember(ctx)
	now := b.clock()
	due, next := b.due(now)
	b.mu.Unlock()
	if err != nil {
		b.complain("journal", err)
		return firstRetry
	}
	x.forget(due)
	for _, e := range due {
		e.armings = slices.DeleteFunc(e.armings, func(a *pxepilot.Arming) bool { w := x.waits[a.Generation]; return w != nil && w.until > now.Since })
		switch {
		case len(e.armings) == 0:
		case e.then == "":
			x.p.letBe(ctx, e)
		default:
			x.switchAll(ctx, e)
		}
	}
	return min(max(next, time.Millisecond), longestSleep)
}

// switchAll switches hosts alike, those first that did not fail alone before. Where
// none of them could be switched the last time, one is tried before the others.
func (x *expiry) switchAll(ctx context.Context, e ending) {
	if len(x.waits) > 0 {
		x.turn++
		slices.SortStableFunc(e.armings, func(a, b *pxepilot.Arming) int {
			return cmp.Or(cmp.Compare(x.alone(a), x.alone(b)), cmp.Compare(x.scattered(a), x.scattered(b)))
		})
	}
	t := &attempt{x: x, endingKey: e.endingKey}
	var gaveUp error
	if x.vain[e.endingKey] > 0 {
		gaveUp = t.of(ctx, e.armings[:1])
		if gaveUp == nil && !t.switched {
			gaveUp = t.last
		}
	}
	if gaveUp == nil {
		gaveUp = t.of(ctx, e.armings)
	}
	switch {
	case t.switched, gaveUp == nil:
		delete(x.vain, e.endingKey)
	default:
		x.vain[e.endingKey]++
	}
	if gaveUp == nil {
		return
	}
	pause := min(firstRetry<<min(x.vain[e.endingKey], 6), lastRetry)
	x.cannot(ctx, e.endingKey, failures(x.left(e.armings), gaveUp), func(w *wait) { w.length = pause })
}

// forget drops the waits of those that are not due any more.
func (x *expiry) forget(due []ending) {
	still := map[uint64]bool{}
	for _, e := range due {
		for _, a := range e.armings {
			still[a.Generation] = true
		}
	}
	for generation := range x.waits {
		if !still[generation] {
			delete(x.waits, generation)
		}
	}
}

// due is what is due now, and how long until something else is.
func (b *book) due(now pxepilot.Moment) ([]ending, time.Duration) {
	var list []ending
	at := map[endingKey]int{}
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
		i, there := at[key]
		if !there {
			i, at[key], list = len(list), len(list), append(list, ending{endingKey: key})
		}
		list[i].armings = append(list[i].armings, a)
	}
	return list, next
}

// letBe ends armings without a switch, but for hosts of which nobody knows yet what
// they are armed for.
func (p *Pilot) letBe(ctx context.Context, x ending) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e := x.entry(b)
	e.Result = pxepilot.Done
	e.Why += "; it stays where it is, as was told"
	record, changes, unresolved := &pxepilot.Record{New: []*pxepilot.Entry{e}}, b.rearming(), b.unresolved("")
	for _, a := range x.armings {
		if now := b.armings.Of(a.Host).Arming; now != nil && now.Generation == a.Generation && !unresolved[a.Host] {
			e.Hosts = append(e.Hosts, pxepilot.Switch{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host], Ended: changes.end(a.Host, e.What, e.At)})
		}
	}
	if len(e.Hosts) == 0 {
		return
	}
	e.Count, e.Of = len(e.Hosts), common(e.Hosts)
	changes.into(record)
	if err := b.write(ctx, record); err != nil {
		b.saidOf("journal", err)
	}
}

// entry is what the journal tells of an ending.
func (x *ending) entry(b *book) *pxepilot.Entry {
	e := &pxepilot.Entry{At: b.now(), What: x.what, Actor: Timer, Of: x.then}
	if x.what == pxepilot.Finished {
		e.Why = "its installer was done before, when it could not be switched"
		return e
	}
	e.Loud, e.Why = true, "the time of its installer was over"
	if len(x.armings) == 1 {
		e.Why += fmt.Sprintf(" (%s)", x.armings[0].Within)
	}
	const most = 3
	var failed []string
	for _, a := range x.armings {
		if a.Failure != nil && len(failed) <= most {
			failed = append(failed, a.Host+": "+a.Failure.Reason)
		}
	}
	if len(failed) > most {
		failed[most] = "..."
	}
	if len(failed) > 0 {
		e.Why += ", which had failed (" + strings.Join(failed, "; ") + ")"
	}
	return e
}

// push has what is done after a switch done.
func (x *expiry) push() {
	select {
	case x.owed <- struct{}{}:
	default:
	}
}

// pushes does what is done after a switch, again and again until it works, beside the
// timer, for it may take minutes: at once for what the timer switched, and in a while
// for what others could not push, an installer that does not ask again, say.
func (x *expiry) pushes(ctx context.Context) {
	var length, pause time.Duration
	every := time.NewTicker(firstRetry)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.owed:
		case <-every.C:
			if pause -= firstRetry; pause > 0 {
				continue
			}
		}
		site := x.p.site()
		if !x.p.unpushed(site) {
			length, pause = 0, 0
			continue
		}
		if err := x.p.push(ctx, site); err != nil {
			length = min(max(firstRetry, 2*length), lastRetry)
			pause = length
			x.p.book.log.Error("links were switched, but deploy.after_switch failed; it is tried again", "error", err, "within", length)
		}
	}
}
