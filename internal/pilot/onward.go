package pilot

import (
	"context"
	"errors"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// errMovedOn is of a host that is not armed any more as it was, or was switched by
// hand.
var errMovedOn = errors.New("it was armed anew, disarmed or switched meanwhile")

// onward plans that an armed host gets what comes then, which is armed in its turn
// where its rule says so; or it says why not.
func (p *Pilot) onward(to *plan, site *Site, view *pxepilot.View, a *pxepilot.Arming) error {
	if !p.book.holds(view, a) {
		return errMovedOn
	}
	h := view.Inventory.ByName(a.Host)
	then, there := view.Configuration(a.Then)
	if !there {
		return pxepilot.Errorf(pxepilot.Conflict, "host %s cannot be switched to configuration %s, which is no longer there; put it back, or deploy another one",
			pxepilot.Quote(a.Host), pxepilot.Quote(a.Then))
	}
	c := Change{Want: pxepilot.Deploy, Configuration: a.Then, DropUncovered: a.DropUncovered}
	if err := refuse(view.Of(h), then, c); err != nil {
		return err
	}
	next := site.ruled(h, a.Then, a.DropUncovered)
	if next != nil {
		next.After = a.Generation
	}
	to.add(pxepilot.Move{Host: h, Want: pxepilot.Deploy, Configuration: a.Then}, next)
	to.rely(a)
	return nil
}

// holds says whether a host is still where an arming says, and nobody else switched
// it. That its links lead nowhere, for its configuration was removed, is no switch.
func (b *book) holds(view *pxepilot.View, a *pxepilot.Arming) bool {
	b.mu.Lock()
	now := b.armings.Of(a.Host).Arming
	known, is := b.known[a.Host]
	b.mu.Unlock()
	h := view.Inventory.ByName(a.Host)
	if h == nil || now == nil || now.Generation != a.Generation || estranged(a, view.Inventory) != "" {
		return false
	}
	boot := bootOf(view.Of(h))
	return !movedOff(a, boot) || boot.Configuration == "" && is && !touched(known, boot)
}

// unfinished notes that the installer of a host is done which could not be
// switched, so that it is as soon as that can be.
func (p *Pilot) unfinished(a *pxepilot.Arming, e *pxepilot.Entry, cause error) error {
	if a == nil {
		return cause
	}
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.armings.Of(a.Host).Arming
	if now == nil || now.Generation != a.Generation {
		return cause
	}
	said := func(format string) error {
		return pxepilot.Errorf(pxepilot.ErrorCode(cause), format, pxepilot.ErrorMessage(cause), pxepilot.Quote(a.Host), pxepilot.Quote(a.Then)).Because(causeOf(cause))
	}
	noted := "%s; it is noted that the installer is done, and host %s is switched to %s as soon as that can be"
	if b.unresolved(pxepilot.Finished)[a.Host] {
		noted = "%s; say it again: a change of host %s is not resolved yet, and whether %s comes then is known only after that"
	}
	const unnoted = "%s; say it again: that the installer of host %s is done, and what comes then is %s, is noted nowhere but in the memory of the server"
	// The context of whoever asked may be what failed.
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	if !now.Finished.IsZero() {
		if b.write(ctx, &pxepilot.Record{}) != nil { // what is owed, which may be that
			return said(unnoted)
		}
		return said(noted)
	}
	finished := *now
	finished.Finished = b.now()
	record := &pxepilot.Record{Armed: []pxepilot.Arming{finished}}
	if e.ID == 0 && e.Result == pxepilot.UnderWay { // nothing of it is written
		record.New = []*pxepilot.Entry{{
			At: b.now(), What: pxepilot.Finished, Actor: e.Actor, From: e.From, Of: a.Then, Result: pxepilot.NotDone, Error: pxepilot.ErrorMessage(cause),
			Loud: true, Count: 1, Hosts: []pxepilot.Switch{{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host]}},
		}}
	}
	if err := b.write(ctx, record); err != nil {
		b.owe(record, err)
		return said(unnoted)
	}
	return said(noted)
}

// noteTime is for a short entry.
const noteTime = 10 * time.Second
