package pilot

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
)

// A switching is what came of switching links.
type switching struct {
	steps      []pxepilot.Step
	entry      int64             // of the journal; 0 for none
	hosts      []pxepilot.Switch // of that entry
	tried      bool              // the root was to switch them, whether it could or not
	unrecorded error             // the links were switched, and the journal does not tell yet
}

// switchLinks has the links changed as decide says, and the journal tell of it: the
// intent before the first link, the result after the last. e says who, what and
// why.
func (p *Pilot) switchLinks(ctx context.Context, site *Site, dryRun bool, e *pxepilot.Entry,
	decide func(*pxepilot.View) (plan, error),
) (switching, error) {
	if p.book == nil || dryRun {
		steps, err := site.Root.Change(ctx, site.Inventory, dryRun, func(view *pxepilot.View) ([]pxepilot.Move, error) {
			plan, err := decide(view)
			if err == nil && p.book == nil && plan.arm != nil {
				err = errUnarmable
			}
			return plan.moves, err
		})
		if err == nil && !dryRun {
			p.switches.Add(1)
		}
		return switching{steps: steps}, err
	}
	r := recording{book: p.book, site: site, entry: e}
	defer r.release()
	steps, err := site.Root.Change(ctx, site.Inventory, false, func(view *pxepilot.View) ([]pxepilot.Move, error) {
		plan, err := decide(view)
		if err != nil {
			return nil, err
		}
		return plan.moves, r.intend(ctx, view, plan)
	})
	if !r.intended {
		return switching{}, err
	}
	unrecorded := r.conclude(context.WithoutCancel(ctx), steps, err)
	p.switches.Add(1)
	if r.open { // the root resolves it, and then the journal tells
		r.release()
		p.look(context.WithoutCancel(ctx))
	}
	return switching{steps, e.ID, e.Hosts, true, unrecorded}, err
}

// A recording is one change on its way into the journal.
type recording struct {
	book     *book
	site     *Site
	entry    *pxepilot.Entry
	view     *pxepilot.View // before
	held     bool           // the lock of the book
	intended bool
	open     bool // what came of it is not known before the root has resolved it
}

func (r *recording) release() {
	if r.held {
		r.held = false
		r.book.mu.Unlock()
	}
}

// intend writes what is about to be done, after what was found done by others.
func (r *recording) intend(ctx context.Context, view *pxepilot.View, plan plan) error {
	b := r.book
	b.mu.Lock()
	r.held, r.view = true, view
	// Before what was written earlier is known, nothing is news.
	if err := b.remember(ctx); err != nil {
		switch {
		case b.required():
			return unwritten(err)
		case plan.arm != nil:
			return unarmable(err)
		}
	}
	now := b.see(view)
	record, settled := b.news(view)
	if !b.armedStill(plan.relies, record) { // since it was planned
		return errMovedOn
	}
	e := r.entry
	e.At = b.now()
	e.Hosts = make([]pxepilot.Switch, len(plan.moves))
	for i, m := range plan.moves {
		at := view.IndexOf(m.Host)
		e.Hosts[i] = pxepilot.Switch{Host: m.Host.Name, Before: now[at], After: intended(&view.Hosts[at], m, view)}
		if a := plan.arm[m.Host.Name]; a != nil {
			e.Hosts[i].Armed = b.stamp(a)
		}
	}
	e.Count = len(e.Hosts)
	record.New = append(record.New, e)
	if plan.arm != nil {
		record.Generation = b.generation
	}
	switch err := b.write(ctx, record); {
	case err == nil:
		settled()
	case b.required():
		return unwritten(err)
	case plan.arm != nil:
		return unarmable(err)
	case b.stays(e): // on the disk nothing would tell of it
		return unarmable(err)
	default:
		b.saidOf("journal", err)
	}
	r.intended = true
	return nil
}

// stays says whether an entry ends what is armed and leaves the links where they are.
func (b *book) stays(e *pxepilot.Entry) bool {
	return replaces[e.What] && slices.ContainsFunc(e.Hosts, func(s pxepilot.Switch) bool {
		a := b.armings.Of(s.Host).Arming
		return a != nil && s.After.Configuration == a.Configuration
	})
}

// armedStill says whether hosts are armed with those generations, once a record is
// written.
func (b *book) armedStill(generations map[string]uint64, record *pxepilot.Record) bool {
	if len(generations) == 0 {
		return true
	}
	changes := changed(record)
	for host, generation := range generations {
		a := b.armings.Of(host).Arming
		if changes[host] {
			i := slices.IndexFunc(record.Armed, func(a pxepilot.Arming) bool { return a.Host == host })
			if i < 0 {
				return false
			}
			a = &record.Armed[i]
		}
		if a == nil || a.Generation != generation || a.Suspended != "" {
			return false
		}
	}
	return true
}

// unwritten is the answer to a change that cannot be written down.
func unwritten(err error) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "nothing was switched, for it cannot be written down: %s", pxepilot.ErrorMessage(err)).Because(causeOf(err))
}

// causeOf is what the log should tell of an error whose sentence is told already.
func causeOf(err error) error { return cmp.Or(errors.Unwrap(err), err) }

// conclude writes what came of a change.
func (r *recording) conclude(ctx context.Context, steps []pxepilot.Step, err error) error {
	b, e := r.book, r.entry
	half := err != nil && !isRefusal(err)
	if half {
		b.halves++
	}
	if half && e.ID != 0 {
		e.Error = pxepilot.ErrorMessage(err)
		b.pending, b.last.clean, r.open = append(b.pending, e), false, true
		return nil
	}
	record := &pxepilot.Record{Finished: []*pxepilot.Entry{e}}
	if e.ID == 0 { // the intent could not be written
		record = &pxepilot.Record{New: []*pxepilot.Entry{e}}
	}
	switch {
	case err == nil:
		e.Result = pxepilot.Done
		record.Known = r.known(ctx, steps)
	case isRefusal(err):
		e.Result, e.Error = pxepilot.NotDone, pxepilot.ErrorMessage(err)
		e.Loud = e.Loud || e.What == pxepilot.Finished
	default:
		e.Error = pxepilot.ErrorMessage(err)
		record.Known = r.found(ctx)
	}
	changes := b.rearming()
	changes.settle(e, nil)
	changes.into(record)
	if failed := b.write(ctx, record); failed != nil {
		b.owe(record, failed)
		if err == nil && b.required() {
			return pxepilot.Errorf(pxepilot.Unavailable,
				"the links were switched, but the journal does not tell so yet: %s; it is tried again", pxepilot.ErrorMessage(failed)).Because(causeOf(failed))
		}
	}
	return nil
}

// isRefusal says whether an error of the root is of a change of which nothing was
// done, or everything undone. Any other leaves that open.
func isRefusal(err error) bool { return pxepilot.ErrorCode(err) != pxepilot.Internal }

// known is what the links say that steps were taken of. Where others' links had
// to be changed with them, they are looked at.
func (r *recording) known(ctx context.Context, steps []pxepilot.Step) map[string]pxepilot.Boot {
	changed := make(map[string]string, len(steps))
	for i := range steps {
		changed[steps[i].Path] = steps[i].Becomes
	}
	known := make(map[string]pxepilot.Boot, len(r.entry.Hosts))
	for i := range r.entry.Hosts {
		s := &r.entry.Hosts[i]
		s.After.Digest = digestOf(r.view.Of(r.view.Inventory.ByName(s.Host)).Links, changed)
		known[s.Host] = s.After
	}
	var others []string
	for i := range steps {
		if _, ours := known[steps[i].Host]; !ours {
			known[steps[i].Host] = pxepilot.Boot{} // unless it can be looked at
			others = append(others, steps[i].Host)
		}
	}
	if len(others) == 0 {
		return known
	}
	if view, err := r.site.Root.View(ctx, r.site.Inventory); err == nil {
		for _, host := range others {
			known[host] = bootOf(view.Of(view.Inventory.ByName(host)))
		}
	}
	return known
}

// found judges by what is there what came of a change that failed in the middle.
func (r *recording) found(ctx context.Context) map[string]pxepilot.Boot {
	view, err := r.site.Root.View(ctx, r.site.Inventory)
	if err != nil {
		r.entry.Result = pxepilot.Unclear
		return nil
	}
	now := r.book.see(view)
	known := judge(r.entry, view, now)
	for i := range r.entry.Hosts {
		s := &r.entry.Hosts[i]
		h := view.Inventory.ByName(s.Host)
		if _, clear := known[s.Host]; clear || h == nil || !halfway(s, now[view.IndexOf(h)]) {
			continue
		}
		s.After = now[view.IndexOf(h)] // which was not by hand
		known[s.Host] = s.After
	}
	return known
}
