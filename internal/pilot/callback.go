package pilot

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

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
	if err == nil && p.book != nil {
		err = p.book.knows(ctx)
	}
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

// A refusal is why a callback changes nothing; the journal tells it.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refusalf(format string, args ...any) error {
	return refusal{pxepilot.Errorf(pxepilot.Conflict, format, args...)}
}

// hear does what a callback says, and writes down where that changes nothing. Who
// sent it may not wait for the answer, or look as if it did not, as nc does.
func (p *Pilot) hear(ctx context.Context, said string, c Callback, do func(ctx context.Context, h *pxepilot.Host, by Actor) error) (*Self, error) {
	if p.book == nil {
		return nil, errNoJournal
	}
	h, by, err := p.concerned(c)
	if err != nil {
		err = refusal{err}
	}
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.timing.Whole)
	defer cancel()
	if err == nil {
		err = do(asked, h, by)
	}
	var out refusal
	switch {
	case errors.As(err, &out):
		p.noteRefusal(context.WithoutCancel(ctx), said, c, by, h, out.error)
		return nil, out.error
	case err != nil:
		return nil, err
	}
	return p.self(context.WithoutCancel(ctx), h.Name)
}

// Finish hears that the installer of a host is done, and switches the host to what
// comes then. Who says so twice, or late, is told that all is well where it is.
func (p *Pilot) Finish(ctx context.Context, c Callback) (*Self, error) {
	return p.hear(ctx, "done", c, func(ctx context.Context, h *pxepilot.Host, by Actor) error {
		site := p.site()
		a, err := p.current(ctx, h, c.Generation)
		if err != nil {
			return err
		}
		var unrecorded error
		again := a != nil && p.saidAgain(a, c)
		if again {
			p.noteRepeat(ctx, h.Name, a.After, by, a.Configuration, "done, said again of the install before, or too early of this one")
		}
		if a != nil && !again {
			unrecorded, err = p.finish(ctx, site, a, by)
			if errors.Is(err, errMovedOn) {
				p.look(ctx) // the journal tells by whom
				if a, err = p.current(ctx, h, c.Generation); err == nil && a != nil {
					return pxepilot.Errorf(pxepilot.Unavailable, "host %s was switched by somebody else just now; say it again", pxepilot.Quote(h.Name))
				}
			}
			if err != nil {
				return err
			}
		}
		if a == nil {
			if err := p.repeated(ctx, site, h, c, by); err != nil {
				return err
			}
		}
		if p.unpushed(site) {
			if err := p.push(ctx, site); err != nil {
				return pxepilot.Errorf(pxepilot.Unavailable, "host %s was switched, but deploy.after_switch failed: %s; mend that and say it again",
					pxepilot.Quote(h.Name), pxepilot.ErrorMessage(err)).Because(err)
			}
		}
		return unrecorded
	})
}

// retrying is how long whoever did not hear an answer asks again, as curl and wget do
// by themselves.
const retrying = time.Minute

// saidAgain says whether a bare done is rather one more of the install before, where
// what comes then is an install, too: it would end before it began.
func (p *Pilot) saidAgain(a *pxepilot.Arming, c Callback) bool {
	now, most := p.book.clock(), min(retrying, a.Within/2)
	since := now.Wall.Sub(a.Armed) // which tells more than what is left where this machine was rebooted meanwhile
	return a.After != 0 && c.Generation == 0 && a.Within-a.Left(now) < most && since >= 0 && since < most
}

// current is the arming that a callback is about; nil where nothing is armed.
func (p *Pilot) current(ctx context.Context, h *pxepilot.Host, generation uint64) (*pxepilot.Arming, error) {
	b := p.book
	if a := p.Armings().Of(h.Name).Arming; a != nil && a.Suspended != "" {
		p.look(ctx) // the file may be mended by now
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.remember(ctx); err != nil {
		return nil, pxepilot.Errorf(pxepilot.Unavailable, "what is armed cannot be read: %s; say it again", pxepilot.ErrorMessage(err)).Because(causeOf(err))
	}
	a := b.armings.Of(h.Name).Arming
	name := pxepilot.Quote(h.Name)
	switch {
	case generation > b.generation:
		return nil, refusalf("host %s was never armed with the generation %d; GET /v1/self tells the current one", name, generation)
	case a == nil, generation != 0 && generation == a.After: // said again of the install before
		return nil, nil
	case generation != 0 && generation != a.Generation:
		return nil, refusalf("the generation %d of host %s is over, and the current one is %d; nothing was changed", generation, name, a.Generation)
	case a.Suspended != "":
		return nil, refusalf("what host %s was to boot once is suspended, for %s; mend the configuration file, or deploy anew", name, a.Suspended)
	}
	return a, nil
}

// finish switches a host to what comes then.
func (p *Pilot) finish(ctx context.Context, site *Site, a *pxepilot.Arming, by Actor) (unrecorded, err error) {
	if p.book.wasTried(a) {
		return nil, p.unfinished(a, &pxepilot.Entry{Result: pxepilot.NotDone}, pxepilot.Errorf(pxepilot.Unavailable, "host %s could not be switched just now, which its history tells of", pxepilot.Quote(a.Host)))
	}
	e := &pxepilot.Entry{What: pxepilot.Finished, Actor: by.Name, From: by.From, Of: a.Then}
	done, err := p.switchLinks(ctx, site, false, e, func(view *pxepilot.View) (plan, error) {
		var to plan
		err := p.onward(&to, site, view, a)
		return to, err
	})
	switch {
	case err == nil:
		return done.unrecorded, nil
	case errors.Is(err, errMovedOn):
		return nil, errMovedOn
	}
	return nil, p.unfinished(a, e, err)
}

// wasTried says whether a host whose installer is done could not be switched a moment
// ago: each try is written down. It notes that it is tried now.
func (b *book) wasTried(a *pxepilot.Arming) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, w := b.clock().Since, b.tried[a.Host]
	switch {
	case w == nil || a.Finished.IsZero():
		w = &wait{}
		b.tried[a.Host] = w
	case now < w.until:
		return true
	}
	w.longer()
	w.until = now + w.length
	return false
}

// repeated says that a host is not armed, unless it boots already what came then:
// who did not hear the answer says it again, and who is late finds it done.
func (p *Pilot) repeated(ctx context.Context, site *Site, h *pxepilot.Host, c Callback, by Actor) error {
	b := p.book
	b.mu.Lock()
	ended, was := b.ended[h.Name]
	b.mu.Unlock()
	name := pxepilot.Quote(h.Name)
	if !was {
		return refusalf("host %s is not armed; nothing was changed", name)
	}
	if c.Generation != 0 && c.Generation != ended.Generation {
		return refusalf("the generation %d of host %s is over; nothing was changed", c.Generation, name)
	}
	view, err := site.Root.View(ctx, site.Inventory)
	if err != nil {
		return err
	}
	if s := view.Of(h); s == nil || bootOf(s).Configuration != ended.Then {
		return refusalf("host %s is not armed any more: %s; nothing was changed", name, howEnded(ended))
	}
	p.noteRepeat(ctx, h.Name, ended.Generation, by, ended.Then, "done, said again or late: "+howEnded(ended))
	return nil
}

// noteRepeat writes down once that the end of a generation was said again.
func (p *Pilot) noteRepeat(ctx context.Context, host string, generation uint64, by Actor, of, why string) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.repeats[host] == generation {
		return
	}
	b.repeats[host] = generation
	b.writeRefusal(ctx, &pxepilot.Entry{What: pxepilot.Refused, Actor: by.Name, From: by.From, Of: of, Why: why, Result: pxepilot.NotDone}, host)
}

// howEnded says in words what ended an arming.
func howEnded(e pxepilot.Ended) string {
	how := map[pxepilot.What]string{
		pxepilot.Finished: "its installer was done", pxepilot.TimedOut: "its time was over", pxepilot.ByHand: "it was switched by hand",
		pxepilot.Deployed: "another configuration was deployed to it", pxepilot.Cleared: "its links were removed", pxepilot.Undone: "the deploy was undone",
		pxepilot.PutBack: "it was put back, for it could not be rebooted", pxepilot.Disarmed: "it was disarmed",
	}
	return how[e.How] + " at " + e.At.UTC().Format(time.RFC3339)
}

// Fail hears that the installer of a host failed: the host stays where it is, and
// somebody should look. A generation fails once.
func (p *Pilot) Fail(ctx context.Context, c Callback, reason, log string) (*Self, error) {
	return p.hear(ctx, "failed", c, func(ctx context.Context, h *pxepilot.Host, by Actor) error {
		a, err := p.current(ctx, h, c.Generation)
		switch {
		case err != nil:
			return err
		case a == nil:
			if now := p.Armings().Of(h.Name).Arming; now != nil {
				return refusalf("the generation %d of host %s is over, and the current one is %d; nothing was changed", c.Generation, pxepilot.Quote(h.Name), now.Generation)
			}
			return refusalf("host %s is not armed; nothing was changed", pxepilot.Quote(h.Name))
		}
		return p.fail(ctx, a, by, sentence(reason), tail(log, pxepilot.MaxFailureLog))
	})
}

func (p *Pilot) fail(ctx context.Context, a *pxepilot.Arming, by Actor, reason, log string) error {
	b, name := p.book, pxepilot.Quote(a.Host)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.armings.Of(a.Host).Arming
	switch {
	case now == nil || now.Generation != a.Generation:
		return refusalf("host %s is not armed any more; nothing was changed", name)
	case now.Failure != nil:
		return refusalf("that the installer of host %s failed was told already (generation %d); the first reason counts", name, now.Generation)
	case !now.Finished.IsZero():
		return refusalf("the installer of host %s is done already (generation %d)", name, now.Generation)
	}
	boot := b.known[a.Host]
	e := &pxepilot.Entry{
		At: b.now(), What: pxepilot.Failed, Actor: by.Name, From: by.From, Of: now.Configuration, Why: reason, Result: pxepilot.Done, Loud: true,
		Log: log, Count: 1, Hosts: []pxepilot.Switch{{Host: a.Host, Before: boot, After: boot}},
	}
	failed := *now
	failed.Failure = &pxepilot.Failure{At: e.At, Reason: reason}
	record := &pxepilot.Record{New: []*pxepilot.Entry{e}, Armed: []pxepilot.Arming{failed}}
	if err := b.write(ctx, record); err != nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "that the installer of host %s failed cannot be written down: %s; say it again", name, pxepilot.ErrorMessage(err)).Because(causeOf(err))
	}
	return nil
}

// noteRefusal writes down that a callback changes nothing. One machine that asks for
// another is told loudly.
func (p *Pilot) noteRefusal(ctx context.Context, said string, c Callback, by Actor, h *pxepilot.Host, why error) {
	e := &pxepilot.Entry{What: pxepilot.Refused, Actor: by.Name, From: by.From, Why: said, Result: pxepilot.NotDone, Error: pxepilot.ErrorMessage(why)}
	var hosts []string
	if h != nil {
		hosts = []string{h.Name}
		e.Loud = h.Name != c.Speaker && c.Speaker != ""
	}
	ctx, cancel := context.WithTimeout(ctx, noteTime)
	defer cancel()
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeRefusal(ctx, e, hosts...)
}

// writeRefusal writes an entry of a callback that changed nothing. Of many such at
// once only the log of requests tells, for whoever can reach the server can send
// them.
func (b *book) writeRefusal(ctx context.Context, e *pxepilot.Entry, hosts ...string) {
	e.At = b.now()
	allowed := &b.refusals[0]
	if e.Loud { // which others must not drown
		allowed = &b.refusals[1]
	}
	if b.remember(ctx) != nil || !allowed.take(b.clock().Since) {
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
	if c.Speaker(ctx) != a.Host {
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
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
