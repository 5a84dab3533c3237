package pilot

import (
	"context"
	"slices"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Hand is the actor of what was not done by this program.
const Hand = "hand"

// Begin takes up what earlier servers wrote down: what came of the change that was
// cut off, and what was changed by hand since. Where that cannot be, the log says
// so, and Watch and the next change try again. The root has resolved by now what
// was cut off, if it could.
func (p *Pilot) Begin(ctx context.Context) {
	if p.book != nil {
		p.look(ctx)
	}
}

// Watch looks every few seconds, until ctx ends, for what others change: links, and
// the content of configurations. It writes that down and changes nothing. It also
// writes what is owed to a journal that could not be written.
func (p *Pilot) Watch(ctx context.Context) error {
	if p.book == nil {
		return nil
	}
	next := time.NewTimer(p.timing.Look)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		began := time.Now()
		p.look(ctx)
		next.Reset(max(p.timing.Look, leisure*time.Since(began)))
	}
}

// leisure is how much longer than a look the time between two is at least, for where
// the root is on a network and nothing of it can be kept, a look reads all links.
const leisure = 20

// look writes down what others changed. Contents are read outside of the book's lock,
// for whoever wants to change something waits for that; of the links most is known.
func (p *Pilot) look(ctx context.Context) {
	b, site := p.book, p.site()
	cutOff, halves, err := b.wake(ctx)
	if err != nil {
		b.complain("journal", err)
		return
	}
	if cutOff && site.Recover != nil {
		if err := site.Recover(ctx); err != nil {
			b.complain("TFTP root", err)
			return
		}
		if b.resolve(halves) {
			p.switches.Add(1) // perhaps
		}
	}
	contents, err := contentsOf(ctx, site)
	if err != nil {
		b.complain("TFTP root", err) // which is no reason not to look at links
		contents = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.skewed(b.clock()) {
		b.anchor, b.last.clean = true, false
	}
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		b.saidOf("TFTP root", err)
		return
	}
	b.saidOf("TFTP root", nil)
	record, settled := b.news(view)
	noted := b.contentNews(record, site, view, contents)
	if err := b.write(ctx, record); err != nil {
		b.saidOf("journal", err)
		return
	}
	settled()
	noted()
}

// wake remembers, and says whether a change was cut off, and how many halves there
// were.
func (b *book) wake(ctx context.Context) (cutOff bool, halves uint64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.remember(ctx)
	return len(b.pending) > 0, b.halves, err
}

// resolve notes that the root has resolved what there was, and says whether that is
// new.
func (b *book) resolve(halves uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	is := b.resolved < halves
	b.resolved = max(b.resolved, halves)
	return is
}

func (b *book) complain(matter string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saidOf(matter, err)
}

// news is a record of what is new about links: what came of a change that was cut
// off, and what others changed. Once it is written, settled is to be called. A host
// that is new in the file, or has other links by it, is taken as it is found.
func (b *book) news(view *pxepilot.View) (record *pxepilot.Record, settled func()) {
	now := b.see(view)
	record = &pxepilot.Record{Known: map[string]pxepilot.Boot{}}
	if b.last.clean {
		return record, func() {}
	}
	changes := b.rearming()
	b.reconcile(record, changes, view)
	hand := &pxepilot.Entry{At: b.now(), What: pxepilot.ByHand, Actor: Hand, Result: pxepilot.Done}
	if !b.began {
		hand.Why = "while the server was down"
	}
	there := 0
	for i := range view.Hosts {
		host := view.Hosts[i].Host.Name
		before, known := b.known[host]
		if known {
			there++
		}
		if found, is := record.Known[host]; is {
			before, known = found, true
		}
		a := changes.of(host)
		if known && before.Digest == now[i].Digest && (a == nil || !movedOff(a, now[i])) {
			continue // what it says is what it said when its links were set
		}
		byHand := known && touched(before, now[i])
		s := pxepilot.Switch{Host: host, Before: before, After: now[i]}
		switch {
		case a == nil || !movedOff(a, now[i]):
		case byHand:
			s.Ended = changes.end(host, hand.What, hand.At)
		case now[i].Configuration != "" || now[i].State == pxepilot.None && !known:
			// While it was not in the file, or with other links.
			s.Before = pxepilot.Boot{State: pxepilot.Configured, Configuration: a.Configuration}
			s.Ended, byHand = changes.end(host, hand.What, hand.At), true
		}
		if byHand {
			hand.Hosts = append(hand.Hosts, s)
			hand.Loud = hand.Loud || unsettled(now[i]) || s.Ended != nil
		}
		record.Known[host] = now[i]
	}
	if there < len(b.known) {
		for host := range b.known {
			if view.Inventory.ByName(host) == nil {
				record.Known[host] = pxepilot.Boot{}
			}
		}
	}
	b.suspensions(record, changes, view.Inventory)
	if b.anchor {
		changes.anchor(b.clock())
	}
	changes.into(record)
	if len(hand.Hosts) > 0 {
		hand.Of, hand.Count = common(hand.Hosts), len(hand.Hosts)
		if slices.ContainsFunc(hand.Hosts, func(s pxepilot.Switch) bool { return s.Ended != nil }) {
			hand.Why = because(hand.Why, "which ends what was to boot once: nothing of it is switched back")
		}
		record.New = append(record.New, hand)
	}
	return record, func() {
		b.pending, b.began, b.anchor, b.overtaken = nil, true, false, map[string]bool{}
		b.last.clean = b.last.view == view
	}
}

// movedOff says whether what a host boots is no longer what it is armed for. Who
// changes that by hand decides, and is not overruled later; but a link that leads to
// nothing is no decision.
func movedOff(a *pxepilot.Arming, now pxepilot.Boot) bool {
	return now.Configuration != a.Configuration && (now.Configuration != "" || now.State != pxepilot.Dangling)
}

// unsettled says whether somebody should look after a host.
func unsettled(boot pxepilot.Boot) bool {
	switch boot.State {
	case pxepilot.Configured, pxepilot.Partial, pxepilot.None:
		return false
	}
	return true
}

// common is the configuration that all of some hosts got, or empty.
func common(hosts []pxepilot.Switch) string {
	for i := range hosts {
		if hosts[i].After.Configuration != hosts[0].After.Configuration {
			return ""
		}
	}
	return hosts[0].After.Configuration
}
