package pilot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Callback is a machine that speaks of itself, or somebody who does for it.
type Callback struct {
	Speaker    string // the host at the other end of the connection; empty where nobody can tell
	Anonymous  error  // why nobody can tell, a whole sentence
	Host       string // that it says it is about, by its name or one of its MAC addresses; empty for Speaker
	Generation uint64 // the only one that it is about; 0 for the current one
	From       string // address
}

// Self is what a machine is told of itself.
type Self struct {
	Status *pxepilot.HostStatus
	Armed  pxepilot.Armed // without an arming where nothing is armed
}

// Self tells a machine of itself.
func (p *Pilot) Self(ctx context.Context, c Callback) (*Self, error) {
	h, _, err := p.concerned(c)
	if err != nil {
		return nil, err
	}
	return p.self(ctx, h.Name)
}

func (p *Pilot) self(ctx context.Context, host string) (*Self, error) {
	s, err := p.Host(ctx, host)
	if err != nil {
		return nil, err
	}
	return &Self{Status: s, Armed: p.Armings().Of(s.Host.Name)}, nil
}

// concerned is the host that a callback is about, and who it is of. A machine that
// is known by its connection speaks for itself only.
func (p *Pilot) concerned(c Callback) (*pxepilot.Host, Actor, error) {
	by := Actor{Name: "api", From: c.From}
	if c.Speaker != "" {
		by.Name = actorOf(c.Speaker)
	}
	ref := c.Host
	switch {
	case ref == "" && c.Speaker == "":
		return nil, by, c.Anonymous
	case ref == "":
		ref = c.Speaker
	}
	h, err := findHost(p.site().Inventory, ref)
	if err == nil && c.Speaker != "" && h.Name != c.Speaker {
		err = pxepilot.Errorf(pxepilot.Forbidden, "host %s asked for host %s, but a machine speaks for itself only; nothing was changed",
			pxepilot.Quote(c.Speaker), pxepilot.Quote(h.Name))
	}
	return h, by, err
}

// actorOf is the name of a host that speaks for itself, in the journal.
func actorOf(host string) string { return "host " + host }

// Finish hears that the installer of a host is done, and switches the host to what
// comes then. Who says so twice, or late, is told that all is well where it is.
func (p *Pilot) Finish(ctx context.Context, c Callback) (*Self, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	h, by, err := p.concerned(c)
	if err != nil {
		return nil, p.refused(ctx, "done", c, by, h, err)
	}
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	site := p.site()
	a, err := p.current(asked, h, c.Generation)
	if err == nil && a != nil {
		err = p.finish(asked, site, a, by)
	}
	if errors.Is(err, errMovedOn) {
		p.look(asked) // the journal tells by whom
		if a, err = p.current(asked, h, c.Generation); a != nil {
			err = pxepilot.Errorf(pxepilot.Unavailable, "host %s was switched by somebody else just now; say it again", pxepilot.Quote(h.Name))
		}
	}
	if err == nil && a == nil {
		err = p.repeated(asked, site, h, c, by)
	}
	var out refusal
	switch {
	case errors.As(err, &out):
		return nil, p.refused(asked, "done", c, by, h, out.error)
	case err != nil:
		return nil, err
	}
	if err := p.push(ctx, site); err != nil {
		return nil, pxepilot.Errorf(pxepilot.Unavailable, "host %s was switched, but deploy.after_switch failed: %s; mend that and say it again",
			pxepilot.Quote(h.Name), pxepilot.ErrorMessage(err)).Because(err)
	}
	return p.self(ctx, h.Name)
}

// A refusal is why a callback changes nothing; the journal tells it.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// errMovedOn is of a host that somebody else switched.
var errMovedOn = errors.New("it was switched by hand")

// current is the arming that a callback is about; nil where nothing is armed.
func (p *Pilot) current(ctx context.Context, h *pxepilot.Host, generation uint64) (*pxepilot.Arming, error) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.remember(ctx); err != nil && b.required() {
		return nil, unwritten(err)
	}
	a := b.armings.Of(h.Name).Arming
	name := pxepilot.Quote(h.Name)
	switch {
	case generation > b.generation:
		return nil, refusal{pxepilot.Errorf(pxepilot.Conflict, "host %s was never armed with the generation %d; GET /v1/self tells the current one", name, generation)}
	case a == nil:
		return nil, nil
	case generation != 0 && generation != a.Generation:
		return nil, refusal{pxepilot.Errorf(pxepilot.Conflict, "the generation %d of host %s is over, and the current one is %d; nothing was changed", generation, name, a.Generation)}
	case a.Suspended != "":
		return nil, refusal{pxepilot.Errorf(pxepilot.Conflict, "what host %s was to boot once is suspended, for %s; mend the configuration file, or deploy anew", name, a.Suspended)}
	}
	return a, nil
}

// finish switches a host to what comes then.
func (p *Pilot) finish(ctx context.Context, site *Site, a *pxepilot.Arming, by Actor) error {
	e := &pxepilot.Entry{What: pxepilot.Finished, Actor: by.Name, From: by.From, Of: a.Then}
	done, err := p.switchLinks(ctx, site, false, e, func(view *pxepilot.View) (plan, error) {
		var to plan
		err := p.goOn(&to, site, view, a)
		return to, err
	})
	switch {
	case err == nil:
		return done.unrecorded
	case errors.Is(err, errMovedOn):
		return errMovedOn
	}
	return p.unfinished(a, e, err)
}

// goOn plans that an armed host gets what comes then, or says why not.
func (p *Pilot) goOn(to *plan, site *Site, view *pxepilot.View, a *pxepilot.Arming) error {
	if !p.book.holds(view, a) {
		return errMovedOn
	}
	h := view.Inventory.ByName(a.Host)
	status := view.Of(h)
	then, there := view.Configuration(a.Then)
	if !there {
		return pxepilot.Errorf(pxepilot.Conflict, "host %s cannot be switched to configuration %s, which is no longer there; put it back, or deploy another one",
			pxepilot.Quote(a.Host), pxepilot.Quote(a.Then))
	}
	c := Change{Want: pxepilot.Deploy, Configuration: a.Then, DropUncovered: a.DropUncovered}
	if err := refuse(status, then, c); err != nil {
		return err
	}
	to.goOn(site, h, a)
	return nil
}

// holds says whether a host is still where an arming says, and nobody else switched
// it.
func (b *book) holds(view *pxepilot.View, a *pxepilot.Arming) bool {
	b.mu.Lock()
	now, known := b.armings.Of(a.Host).Arming, b.known[a.Host]
	b.mu.Unlock()
	h := view.Inventory.ByName(a.Host)
	if h == nil || now == nil || now.Generation != a.Generation || estranged(a, view.Inventory) != "" {
		return false
	}
	boot := bootOf(view.Of(h))
	return !touched(known, boot) || !movedOff(a, boot)
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
	if now.Finished.IsZero() {
		changed := *now
		changed.Finished = b.now()
		record := &pxepilot.Record{Armed: []pxepilot.Arming{changed}}
		if e.Result == pxepilot.UnderWay { // nothing of it is written
			record.New = []*pxepilot.Entry{{
				At: b.now(), What: pxepilot.Finished, Actor: e.Actor, From: e.From, Of: a.Then, Result: pxepilot.NotDone, Error: pxepilot.ErrorMessage(cause),
				Loud: true, Count: 1, Hosts: []pxepilot.Switch{{Host: a.Host, Before: b.known[a.Host], After: b.known[a.Host]}},
			}}
		}
		// Its context may be what failed.
		ctx, cancel := context.WithTimeout(context.Background(), noteTime)
		defer cancel()
		if err := b.write(ctx, record); err != nil {
			b.owe(record, err)
		}
	}
	return pxepilot.Errorf(pxepilot.ErrorCode(cause), "%s; it is noted that the installer is done, and host %s is switched to %s as soon as that can be",
		pxepilot.ErrorMessage(cause), pxepilot.Quote(a.Host), pxepilot.Quote(a.Then)).Because(causeOf(cause))
}

// noteTime is for a short entry.
const noteTime = 10 * time.Second

// repeated says that a host is not armed, unless it boots already what came then:
// who did not hear the answer says it again, and who is late finds it done.
func (p *Pilot) repeated(ctx context.Context, site *Site, h *pxepilot.Host, c Callback, by Actor) error {
	entries, err := p.book.journal.Entries(ctx, pxepilot.Question{Host: h.Name, Most: 100, Hosts: 1})
	if err != nil {
		return err
	}
	name := pxepilot.Quote(h.Name)
	for i := range entries {
		e := &entries[i]
		if len(e.Hosts) == 0 || e.Hosts[0].Ended == nil {
			continue
		}
		ended := e.Hosts[0].Ended
		view, err := site.Root.View(ctx, site.Inventory)
		if err != nil {
			return err
		}
		stale := c.Generation != 0 && c.Generation != ended.Generation
		switch s := view.Of(h); {
		case stale:
			return refusal{pxepilot.Errorf(pxepilot.Conflict, "the generation %d of host %s is over; nothing was changed", c.Generation, name)}
		case s == nil || bootOf(s).Configuration != ended.Then:
			return refusal{pxepilot.Errorf(pxepilot.Conflict, "host %s is not armed any more: %s; nothing was changed", name, endedBy(e))}
		}
		p.noteRefusal(ctx, &pxepilot.Entry{What: pxepilot.Refused, Actor: by.Name, From: by.From, Of: ended.Then, Result: pxepilot.NotDone,
			Why: "done, said again or late: " + endedBy(e)}, h.Name)
		return nil
	}
	return refusal{pxepilot.Errorf(pxepilot.Conflict, "host %s is not armed; nothing was changed", name)}
}

// endedBy says in words what ended an arming.
func endedBy(e *pxepilot.Entry) string {
	how := map[pxepilot.What]string{
		pxepilot.Finished: "its installer was done", pxepilot.TimedOut: "its time was over", pxepilot.ByHand: "it was switched by hand",
		pxepilot.Deployed: "another configuration was deployed to it", pxepilot.Cleared: "its links were removed", pxepilot.Undone: "the deploy was undone",
		pxepilot.PutBack: "it was put back, for it could not be rebooted", pxepilot.Disarmed: "it was disarmed",
	}
	return how[e.What] + " at " + e.At.UTC().Format(time.RFC3339)
}

// Fail hears that the installer of a host failed: the host stays where it is, and
// somebody should look. A generation fails once.
func (p *Pilot) Fail(ctx context.Context, c Callback, reason, log string) (*Self, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	h, by, err := p.concerned(c)
	if err == nil {
		err = p.fail(ctx, h, c, by, sentence(reason), tail(log, pxepilot.MaxFailureLog))
		var out refusal
		if err != nil && !errors.As(err, &out) {
			return nil, err
		}
	}
	if err != nil {
		return nil, p.refused(ctx, "failed", c, by, h, err)
	}
	return p.self(ctx, h.Name)
}

func (p *Pilot) fail(ctx context.Context, h *pxepilot.Host, c Callback, by Actor, reason, log string) error {
	a, err := p.current(ctx, h, c.Generation)
	name := pxepilot.Quote(h.Name)
	if err == nil && a == nil {
		err = refusal{pxepilot.Errorf(pxepilot.Conflict, "host %s is not armed; nothing was changed", name)}
	}
	if err != nil {
		return err
	}
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.armings.Of(h.Name).Arming
	switch {
	case now == nil || now.Generation != a.Generation:
		return refusal{pxepilot.Errorf(pxepilot.Conflict, "host %s is not armed any more; nothing was changed", name)}
	case now.Failure != nil:
		return refusal{pxepilot.Errorf(pxepilot.Conflict, "that the installer of host %s failed was told already (generation %d); the first reason counts", name, now.Generation)}
	case !now.Finished.IsZero():
		return refusal{pxepilot.Errorf(pxepilot.Conflict, "the installer of host %s is done already (generation %d)", name, now.Generation)}
	}
	boot := b.known[h.Name]
	e := &pxepilot.Entry{
		At: b.now(), What: pxepilot.Failed, Actor: by.Name, From: by.From, Of: now.Configuration, Why: reason, Result: pxepilot.Done, Loud: true,
		Log: log, Count: 1, Hosts: []pxepilot.Switch{{Host: h.Name, Before: boot, After: boot}},
	}
	changed := *now
	changed.Failure = &pxepilot.Failure{At: e.At, Reason: reason}
	record := &pxepilot.Record{New: []*pxepilot.Entry{e}, Armed: []pxepilot.Arming{changed}}
	if err := b.write(ctx, record); err != nil {
		if b.required() {
			return pxepilot.Errorf(pxepilot.Unavailable, "that the installer of host %s failed cannot be written down: %s", name, pxepilot.ErrorMessage(err)).Because(causeOf(err))
		}
		b.owe(record, err)
	}
	return nil
}

// refused writes down that a callback changes nothing, and returns why.
func (p *Pilot) refused(ctx context.Context, said string, c Callback, by Actor, h *pxepilot.Host, why error) error {
	e := &pxepilot.Entry{What: pxepilot.Refused, Actor: by.Name, From: by.From, Why: said, Result: pxepilot.NotDone, Error: pxepilot.ErrorMessage(why)}
	var hosts []string
	if h != nil {
		hosts = []string{h.Name}
		e.Loud = h.Name != c.Speaker && c.Speaker != ""
	}
	p.noteRefusal(ctx, e, hosts...)
	var out refusal
	if errors.As(why, &out) {
		return out.error
	}
	return why
}

// noteRefusal writes an entry of a callback that changed nothing. Of many such at
// once only the log of requests tells, for whoever can reach the server can send
// them.
func (p *Pilot) noteRefusal(ctx context.Context, e *pxepilot.Entry, hosts ...string) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e.At = b.now()
	if b.remember(ctx) != nil || !b.refusals.take(b.clock().Since) {
		return
	}
	for _, host := range hosts {
		e.Hosts = append(e.Hosts, pxepilot.Switch{Host: host, Before: b.known[host], After: b.known[host]})
	}
	e.Count = len(e.Hosts)
	if err := b.write(ctx, &pxepilot.Record{New: []*pxepilot.Entry{e}}); err != nil {
		b.saidOf("journal", err)
	}
}

// An allowance is of how many in a row, and how many over time. The zero value is
// whole.
type allowance struct {
	used  float64
	since time.Duration
}

const (
	mostRefusals = 30
	eachRefusal  = 6 * time.Second
)

// take uses one, unless there is none.
func (a *allowance) take(now time.Duration) bool {
	a.used = max(0, a.used-float64(now-a.since)/float64(eachRefusal))
	a.since = now
	if a.used > mostRefusals-1 {
		return false
	}
	a.used++
	return true
}

// entryOf is what the journal tells of a change. Where a host asks for what comes
// then for itself, that is its callback, as installers made it before there were
// others; then the arming that ends with it comes, too.
func (p *Pilot) entryOf(ctx context.Context, c Change, hosts []*pxepilot.Host) (*pxepilot.Entry, *pxepilot.Arming) {
	e := c.entry()
	if p.book == nil || c.DryRun || c.Want != pxepilot.Deploy || len(hosts) != 1 || c.Speaker == nil || c.Hosts[0].Reboot || c.Hosts[0].Once != (Once{}) {
		return e, nil
	}
	a := p.Armings().Of(hosts[0].Name).Arming
	if a == nil || a.Then != c.Configuration || a.Suspended != "" {
		return e, nil
	}
	if h := c.Speaker(ctx); h == nil || h.Name != a.Host {
		return e, nil
	}
	e.What, e.Actor = pxepilot.Finished, actorOf(a.Host)
	return e, a
}

// tail is the end of a log, which tells most of why something failed.
func tail(log string, most int) string {
	if over := len(log) - most; over > 0 {
		log = log[over:]
	}
	return strings.ToValidUTF8(log, "?")
}

// sentence keeps what a machine said on one line, of a length that people read.
func sentence(s string) string {
	const most = 500
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
