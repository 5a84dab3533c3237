package pilot

import (
	"context"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Armings tells what is armed, at once. The view is the same pointer for as long as
// nothing of it changed, and nil where no journal is kept.
func (p *Pilot) Armings() *pxepilot.ArmedView {
	if p.book == nil {
		return nil
	}
	return p.book.told()
}

// Armed tells what is armed, or that nobody knows.
func (p *Pilot) Armed(ctx context.Context) (*pxepilot.ArmedView, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	if err := p.book.knows(ctx); err != nil {
		return nil, err
	}
	return p.book.told(), nil
}

// knows says why nobody knows what is armed; nil where that is known.
func (b *book) knows(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.remember(ctx); err != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "what is armed cannot be read: %s", pxepilot.ErrorMessage(err)).Because(causeOf(err))
	}
	return nil
}

// told is what is armed, by the wall clock as it stands now. Nobody has to wait for
// it while links are switched.
func (b *book) told() *pxepilot.ArmedView {
	last := b.view.Load()
	now := b.clock()
	if now.Boot == last.boot && !wasSet(last.epoch, now) {
		return last.view
	}
	next := armedAt(last.view.Armings, now)
	if b.view.CompareAndSwap(last, next) {
		return next.view
	}
	return b.view.Load().view
}

// An armedView is one with the reading of the clocks that it holds for.
type armedView struct {
	view  *pxepilot.ArmedView
	boot  string
	epoch time.Time // of that boot, by the wall clock
}

func armedAt(armings map[string]pxepilot.Armed, now pxepilot.Moment) *armedView {
	v := &pxepilot.ArmedView{Armings: make(map[string]pxepilot.Armed, len(armings))}
	for host, a := range armings {
		a.Until = now.Wall.Add(a.Left(now))
		v.Armings[host] = a
	}
	return &armedView{view: v, boot: now.Boot, epoch: epochOf(now)}
}

// epochOf is when this machine was booted, by its wall clock as it stands now.
func epochOf(now pxepilot.Moment) time.Time { return now.Wall.Add(-now.Since) }

// wasSet says whether somebody set the wall clock since it told that epoch.
func wasSet(epoch time.Time, now pxepilot.Moment) bool {
	return epochOf(now).Sub(epoch).Abs() >= time.Second
}

// skewed says whether somebody set the wall clock since something was armed: a reboot
// has to find what is left by that clock as it stands.
func (b *book) skewed(now pxepilot.Moment) bool {
	for _, a := range b.armings.Armings {
		if a.Deadline.Wall.Sub(now.In(a.Left(now)).Wall).Abs() >= time.Second {
			return true
		}
	}
	return false
}

// keepArmings notes what a record says of armings, and has the timer look.
func (b *book) keepArmings(r *pxepilot.Record) {
	if len(r.Armed)+len(r.Disarmed) == 0 {
		return
	}
	armings := make(map[string]pxepilot.Armed, len(b.armings.Armings)+len(r.Armed))
	for host, a := range b.armings.Armings {
		armings[host] = a
	}
	for _, host := range r.Disarmed {
		delete(armings, host)
	}
	for _, a := range r.Armed {
		if a.Failure != nil { // which a journal gives a number once it is written
			f := *a.Failure
			a.Failure = &f
		}
		armings[a.Host] = pxepilot.Armed{Arming: &a}
		b.generation = max(b.generation, a.Generation)
	}
	next := armedAt(armings, b.clock())
	b.armings = next.view
	b.view.Store(next)
	select {
	case b.rearmed <- struct{}{}:
	default:
	}
}

// suspensions adds to a record which armings wait from now on for somebody to mend
// the file, and which do no more.
func (b *book) suspensions(record *pxepilot.Record, changes *rearming, inv *pxepilot.Inventory) {
	for _, host := range changes.hosts() {
		a := changes.of(host)
		if a == nil {
			continue
		}
		why := estranged(a, inv)
		if why == a.Suspended {
			continue
		}
		boot := b.known[host]
		if found, is := record.Known[host]; is && found != (pxepilot.Boot{}) {
			boot = found
		}
		e := &pxepilot.Entry{
			At: b.now(), What: pxepilot.Suspended, Actor: Hand, Of: a.Configuration, Why: why, Result: pxepilot.Done, Loud: true, Count: 1,
			Hosts: []pxepilot.Switch{{Host: host, Before: boot, After: boot}},
		}
		if why == "" {
			e.What, e.Why, e.Loud = pxepilot.Resumed, "it is in the file again as it was", false
		}
		suspended := *a
		suspended.Suspended = why
		record.New = append(record.New, e)
		changes.set(suspended)
	}
}

// estranged says why the host of an arming is none of the file's; empty where it is.
func estranged(a *pxepilot.Arming, inv *pxepilot.Inventory) string {
	h := inv.ByName(a.Host)
	var lost, others []string
	for _, m := range a.MACs {
		owner := inv.ByMAC(m)
		switch {
		case owner != nil && owner == h:
			continue
		case owner != nil:
			others = append(others, m.String()+" is host "+pxepilot.Quote(owner.Name)+"'s")
		}
		lost = append(lost, m.String())
	}
	if h != nil && len(lost) == 0 {
		return ""
	}
	why := "the host is no longer in the file"
	if h != nil {
		why = "the host has " + strings.Join(lost, " and ") + " no longer in the file"
	}
	if len(others) > 0 {
		why += ", where " + strings.Join(others, " and ")
	}
	return why
}

// Disarm has hosts boot for good what they were to boot once: nothing switches them
// any more. A host may be one that is no longer in the file.
func (p *Pilot) Disarm(ctx context.Context, hosts []HostRef, by Actor) ([]pxepilot.Arming, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	if len(hosts) == 0 {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "no host was named; say for which hosts")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	b, inv := p.book, p.site().Inventory
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.remember(ctx); err != nil {
		return nil, undisarmed(err)
	}
	e := &pxepilot.Entry{At: b.now(), What: pxepilot.Disarmed, Actor: by.Name, From: by.From, Result: pxepilot.Done}
	record, changes := &pxepilot.Record{New: []*pxepilot.Entry{e}}, b.rearming()
	var ended []pxepilot.Arming
	for i, ref := range hosts {
		h, err := find(inv, ref, i)
		name := ref.Name
		if h != nil {
			name = h.Name
		}
		a := b.armings.Of(name).Arming
		switch {
		case err != nil && (a == nil || ref.MAC != "" || pxepilot.ErrorCode(err) != pxepilot.NotFound):
			return nil, err
		case a == nil:
			return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s is not armed", pxepilot.Quote(name))
		case changes.end(name, e.What, e.At) == nil:
			return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s is named twice", pxepilot.Quote(name))
		}
		ended = append(ended, *a)
		e.Hosts = append(e.Hosts, pxepilot.Switch{Host: name, Before: b.known[name], After: b.known[name], Ended: a})
	}
	e.Count, e.Of = len(e.Hosts), common(e.Hosts)
	changes.into(record)
	if err := b.write(ctx, record); err != nil { // nothing else on the disk would tell
		return nil, undisarmed(err)
	}
	return ended, nil
}

// undisarmed is the answer to a disarm that cannot be written down.
func undisarmed(err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "nothing was disarmed, for it cannot be written down: %s", pxepilot.ErrorMessage(err)).Because(causeOf(err))
}
