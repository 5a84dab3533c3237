package pilot

import (
	"context"
	"fmt"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// An Undo is a request to bring hosts back to what they were set to before an
// entry of the journal. An undo is an entry as well, and can be undone.
type Undo struct {
	Entry  int64  // 0 for the latest one that changed what the host, or any, boots
	Host   string // only this one, whatever others the entry is about; empty for all
	Force  bool   // also hosts that were switched since; and regular files in the way are kept under another name
	DryRun bool   // plan only
	By     Actor
}

// Undo does it for all hosts, or for none where one of them has moved on since. What
// led nowhere, or to several configurations, cannot be brought back.
func (p *Pilot) Undo(ctx context.Context, u Undo) (*Outcome, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	site := p.site()
	if u.Host != "" {
		h, err := findHost(site.Inventory, u.Host)
		if err != nil {
			return nil, err
		}
		u.Host = h.Name
	}
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	undone, err := p.toUndo(asked, u)
	if err != nil {
		return nil, err
	}
	var out Outcome
	e := &pxepilot.Entry{What: pxepilot.Undone, Actor: u.By.Name, From: u.By.From, Undoes: undone.ID, Of: of(undone.Hosts)}
	var back plan
	done, err := p.switchLinks(asked, site, u.DryRun, e, func(view *pxepilot.View) (plan, error) {
		back, out.Hosts, err = takeBack(site, view, undone, u.Force)
		return back, err
	})
	if err != nil {
		return nil, err
	}
	out.is(done)
	if u.DryRun {
		out.would(p.book, back, e.What)
	} else {
		if err := p.push(ctx, site); err != nil {
			out.AfterSwitch = pxepilot.Errorf(pxepilot.Unavailable,
				"the links were switched back, but deploy.after_switch failed: %s; mend that and repair a host, which does it again",
				pxepilot.ErrorMessage(err)).Because(err)
		}
	}
	return &out, nil
}

// of is the configuration that all hosts get back, or empty.
func of(hosts []pxepilot.Switch) string {
	for i := range hosts {
		if hosts[i].Before.Configuration != hosts[0].Before.Configuration {
			return ""
		}
	}
	return hosts[0].Before.Configuration
}

// toUndo finds the entry, with those hosts only that are to be brought back.
func (p *Pilot) toUndo(ctx context.Context, u Undo) (*pxepilot.Entry, error) {
	if u.Entry != 0 {
		found, err := p.book.journal.Entries(ctx, pxepilot.Question{ID: u.Entry})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, noEntry(u.Entry)
		}
		if e := reduced(&found[0], u.Host); e != nil {
			return e, nil
		}
		return nil, notUndoable(&found[0], u.Host)
	}
	const page = 20
	q := pxepilot.Question{Host: u.Host, Most: page}
	for {
		found, err := p.book.journal.Entries(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if e := reduced(&found[i], u.Host); e != nil {
				return e, nil
			}
		}
		if len(found) < page {
			return nil, pxepilot.Errorf(pxepilot.NotFound, "the journal knows of nothing to undo%s", about(u.Host))
		}
		q.Before = found[len(found)-1].ID
	}
}

// reduced is an entry with those hosts only that it switched and that are asked
// for; nil where there is none.
func reduced(e *pxepilot.Entry, host string) *pxepilot.Entry {
	r := *e
	r.Hosts = nil
	for i := range e.Hosts {
		if s := &e.Hosts[i]; (host == "" || s.Host == host) && switched(e, s) {
			r.Hosts = append(r.Hosts, *s)
		}
	}
	if len(r.Hosts) == 0 {
		return nil
	}
	return &r
}

func about(host string) string {
	if host == "" {
		return ""
	}
	return " of host " + pxepilot.Quote(host)
}

func notUndoable(e *pxepilot.Entry, host string) error {
	why := "changed nothing that machines boot"
	switch {
	case e.Result == pxepilot.UnderWay:
		why = "is still under way; try again"
	case host != "":
		why = "did not change what host " + pxepilot.Quote(host) + " boots"
	case e.What == pxepilot.Content:
		why = "is about the content of a configuration, which is not kept"
	}
	return pxepilot.Errorf(pxepilot.Conflict, "there is nothing to undo: entry %d %s", e.ID, why)
}

// takeBack decides what brings the hosts of an entry back to where they were.
func takeBack(site *Site, view *pxepilot.View, e *pxepilot.Entry, force bool) (plan, []Result, error) {
	var back plan
	var results []Result
	var refused []error
	var since []string
	for i := range e.Hosts {
		s := &e.Hosts[i]
		h := view.Inventory.ByName(s.Host)
		if h == nil {
			since = append(since, s.Host)
			results = append(results, Result{Host: s.Host, Refused: pxepilot.Errorf(pxepilot.NotFound,
				"host %s is no longer in the file", pxepilot.Quote(s.Host))})
			continue
		}
		status := view.Of(h)
		if !alike(bootOf(status), s.After) {
			since = append(since, s.Host)
		}
		m, err := backTo(s.Before, status, view, force)
		var armed *pxepilot.Arming
		if err == nil {
			armed, err = onceMore(site, view, status, m, s.Ended)
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		back.add(m, armed)
		results = append(results, Result{Host: s.Host, Configuration: m.Configuration})
	}
	switch {
	case len(since) > 0 && !force:
		return plan{}, nil, movedOn(e, since)
	case len(refused) > 0:
		return plan{}, nil, join(refused)
	case len(back.moves) == 0:
		return plan{}, nil, results[0].Refused
	}
	return back, results, nil
}

// onceMore is how a host is armed that is brought back: as it was before, with all
// of the time, and else by the rule of its configuration.
func onceMore(site *Site, view *pxepilot.View, s *pxepilot.HostStatus, m pxepilot.Move, ended *pxepilot.Arming) (*pxepilot.Arming, error) {
	if m.Want != pxepilot.Deploy {
		return nil, nil
	}
	a := site.ruled(s.Host, m.Configuration, false)
	if ended != nil && ended.Configuration == m.Configuration {
		once := Once{Then: ended.Then, Within: ended.Within, OnTimeout: ended.OnTimeout}
		a = once.arming(s.Host, m.Configuration, ended.DropUncovered)
	}
	if a == nil {
		return nil, nil
	}
	then, there := view.Configuration(a.Then)
	if !there {
		return nil, pxepilot.Errorf(pxepilot.Conflict, "host %s: it booted %s once, to be switched to %s then, which is no longer there; deploy what is meant",
			pxepilot.Quote(s.Host.Name), pxepilot.Quote(m.Configuration), pxepilot.Quote(a.Then))
	}
	return a, refuseThen(s, then, a.DropUncovered)
}

// movedOn says which hosts are not where an entry left them.
func movedOn(e *pxepilot.Entry, hosts []string) error {
	const most = 10
	quoted := make([]string, 0, most+1)
	for i, h := range hosts {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(hosts)-most))
			break
		}
		quoted = append(quoted, pxepilot.Quote(h))
	}
	who := "hosts " + strings.Join(quoted, ", ") + " were"
	if len(hosts) == 1 {
		who = "host " + quoted[0] + " was"
	}
	return pxepilot.Errorf(pxepilot.Conflict,
		"entry %d was not undone, for %s changed or removed since; undo it for single hosts, or accept it with --force", e.ID, who)
}

// backTo is the move that brings a host back to a boot, or why there is none.
func backTo(before pxepilot.Boot, s *pxepilot.HostStatus, view *pxepilot.View, force bool) (pxepilot.Move, error) {
	host := pxepilot.Quote(s.Host.Name)
	c := Change{Want: pxepilot.Clear, Force: force}
	switch before.State {
	case pxepilot.None:
	case pxepilot.Configured, pxepilot.Partial:
		c.Want, c.Configuration = pxepilot.Deploy, before.Configuration
		c.DropUncovered = before.State == pxepilot.Partial // which it was in the first place
	default:
		return pxepilot.Move{}, pxepilot.Errorf(pxepilot.Conflict, "host %s: its links were %s before, which cannot be brought back; deploy the configuration that is meant",
			host, before.State)
	}
	configuration, there := view.Configuration(c.Configuration)
	if c.Want == pxepilot.Deploy && !there {
		return pxepilot.Move{}, pxepilot.Errorf(pxepilot.Conflict, "host %s: it booted configuration %s before, which is no longer there", host, pxepilot.Quote(c.Configuration))
	}
	if err := refuse(s, configuration, c); err != nil {
		return pxepilot.Move{}, err
	}
	m := pxepilot.Move{Host: s.Host, Want: c.Want, Configuration: c.Configuration}
	if now := intended(s, m, view); !alike(now, before) {
		return pxepilot.Move{}, pxepilot.Errorf(pxepilot.Conflict, "host %s: its links were %s before and would be %s; deploy %s if that is meant",
			host, before.State, now.State, pxepilot.Quote(c.Configuration))
	}
	return m, nil
}
