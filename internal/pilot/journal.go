package pilot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Journal is where every change is written down, before and after.
type Journal interface {
	// Write writes a record durably: all of it, or nothing.
	Write(context.Context, *pxepilot.Record) error
	// Entries answers a question, the latest first.
	Entries(context.Context, pxepilot.Question) ([]pxepilot.Entry, error)
	// Remember tells what was written before the server started.
	Remember(context.Context) (*pxepilot.Memory, error)
}

// An Actor is who asks for a change.
type Actor struct {
	Name string // as in Entry.Actor
	From string // address; empty where it is of no machine
}

// A book is the journal with what it says of the present. Its lock is held while
// links are switched, so that nobody takes a change of ours that is half done for
// somebody else's. It is taken within that of the root, never the other way
// round.
type book struct {
	journal  Journal
	required func() bool // what cannot be written is not done
	clock    func() pxepilot.Moment
	log      *slog.Logger
	view     atomic.Pointer[armedView] // armings, for those who do not wait
	rearmed  chan struct{}             // wakes the timer

	mu         sync.Mutex // guards what follows
	remembered bool
	began      bool // what happened to links while the server was down is written
	watched    bool // likewise of contents
	known      map[string]pxepilot.Boot
	contents   map[string]string
	armings    *pxepilot.ArmedView
	ended      map[string]pxepilot.Ended // the last ones, by host
	anchor     bool                      // the armings are to be written as they are to be counted on from now
	generation uint64                    // the last one
	pending    []*pxepilot.Entry         // are under way since an earlier server ended, or since the root could not undo them
	halves     uint64                    // how often the root was left something to resolve
	resolved   uint64                    // until which of these it has
	overtaken  map[string]bool           // hosts that were armed anew, or disarmed, after those
	owed       pxepilot.Record           // what could not be written; it is with the next record that can
	last       seen
	changing   map[string]string // contents that the last look saw, and that the next one has to agree with
	said       map[string]string // by matter: the last complaint in the log
	repeats    map[string]uint64 // generations, by host, of which it was written that their end was said again
	tried      map[string]*wait  // of hosts whose installer is done and that could not be switched
	refusals   [2]allowance      // for entries of callbacks that change nothing: those that are loud, and others
}

// maxOwed is how many entries wait at most for a journal that cannot be written.
// The last known states of links wait all the same.
const maxOwed = 100

func newBook(o Options) *book {
	if o.Journal == nil {
		return nil
	}
	b := &book{
		journal: o.Journal, required: o.Required, clock: o.Clock, log: o.Log, rearmed: make(chan struct{}, 1),
		said: map[string]string{}, repeats: map[string]uint64{}, tried: map[string]*wait{}, overtaken: map[string]bool{}, armings: &pxepilot.ArmedView{},
	}
	if b.clock == nil {
		b.clock = sinceNow()
	}
	b.view.Store(armedAt(nil, b.clock()))
	b.forget()
	if b.required == nil {
		b.required = func() bool { return true }
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	return b
}

// sinceNow is a clock that counts from now on, for who has no better one.
func sinceNow() func() pxepilot.Moment {
	began := time.Now()
	return func() pxepilot.Moment {
		now := time.Now()
		return pxepilot.Moment{Boot: began.String(), Since: now.Sub(began), Wall: now.Round(0)}
	}
}

// now is the time of entries.
func (b *book) now() time.Time { return b.clock().Wall }

func (b *book) forget() {
	b.known, b.contents, b.ended = map[string]pxepilot.Boot{}, map[string]string{}, map[string]pxepilot.Ended{}
}

// remember reads what was written before the server started, once. What was
// done meanwhile, without the journal, is later.
func (b *book) remember(ctx context.Context) error {
	if b.remembered {
		return nil
	}
	m, err := b.journal.Remember(ctx)
	if err != nil {
		return err
	}
	b.forget()
	b.generation = max(b.generation, m.Generation)
	// What was armed in another boot of this machine is counted on in this one.
	now := b.clock()
	for i, a := range m.Armings {
		if a.Deadline.Boot != now.Boot {
			m.Armings[i], b.anchor = a.Anchored(now), true
		}
	}
	b.keep(&pxepilot.Record{Known: m.Known, Contents: m.Contents, Armed: m.Armings, Ended: m.Ended})
	b.keep(&b.owed)
	b.pending, b.overtaken = m.UnderWay, changed(&b.owed)
	b.halves++
	b.remembered = true
	return nil
}

// keep notes what a record says of the present.
func (b *book) keep(r *pxepilot.Record) {
	for host, boot := range r.Known {
		if b.known[host] = boot; boot == (pxepilot.Boot{}) {
			delete(b.known, host)
		}
	}
	for name, digest := range r.Contents {
		if b.contents[name] = digest; digest == "" {
			delete(b.contents, name)
		}
	}
	if len(b.pending) > 0 {
		b.overtake(r)
	}
	for _, a := range r.Ended {
		b.ended[a.Host] = a
	}
	b.keepArmings(r)
}

// overtake notes which hosts a record decides of for longer than what is under way. To
// note something of an arming decides nothing.
func (b *book) overtake(r *pxepilot.Record) {
	for i := range r.Armed {
		a := &r.Armed[i]
		if now := b.armings.Of(a.Host).Arming; now == nil || now.Generation != a.Generation {
			b.overtaken[a.Host] = true
		}
	}
	for _, host := range r.Disarmed {
		b.overtaken[host] = true
	}
}

// unresolved are the hosts of changes that are not resolved yet, but for those of one
// kind.
func (b *book) unresolved(but pxepilot.What) map[string]bool {
	hosts := map[string]bool{}
	for _, e := range b.pending {
		if e.What == but {
			continue
		}
		for i := range e.Hosts {
			hosts[e.Hosts[i].Host] = true
		}
	}
	return hosts
}

// write writes a record, after what is owed.
func (b *book) write(ctx context.Context, r *pxepilot.Record) error {
	if err := b.remember(ctx); err != nil {
		return err
	}
	all := r
	if !isEmpty(&b.owed) {
		sum := after(b.owed, r)
		all = &sum
	}
	if isEmpty(all) {
		return nil
	}
	if err := b.journal.Write(ctx, all); err != nil {
		return err
	}
	b.owed = pxepilot.Record{}
	b.keep(all) // which knows by now the IDs of its entries
	b.saidOf("journal", nil)
	b.tell(r)
	return nil
}

// tell logs what somebody should look at, and what others did.
func (b *book) tell(r *pxepilot.Record) {
	for _, e := range slices.Concat(r.New, r.Finished) {
		level := slog.LevelInfo
		switch {
		case e.Result == pxepilot.UnderWay: // it is told when it is over
			continue
		case e.Loud:
			level = slog.LevelWarn
		case e.Actor != Hand:
			continue
		}
		b.log.Log(context.Background(), level, "journal", "entry", e.ID, "what", e.What, "by", e.Actor, "configuration", e.Of,
			"hosts", names(e.Hosts), "why", e.Why, "result", e.Result, "error", e.Error)
	}
}

// names lists the first few hosts.
func names(hosts []pxepilot.Switch) string {
	const most = 5
	var list []string
	for i := range hosts[:min(most, len(hosts))] {
		list = append(list, hosts[i].Host)
	}
	text := strings.Join(list, " ")
	if more := len(hosts) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// owe has a record written later, for what it says is so already.
func (b *book) owe(r *pxepilot.Record, cause error) {
	b.keep(r)
	b.owed = after(b.owed, r)
	if more := len(b.owed.New) - maxOwed; more > 0 {
		b.owed.New = b.owed.New[more:]
		b.log.Error("the journal has been out of order for so long that the earliest changes are told nowhere but here", "entries", more)
	}
	b.saidOf("journal", cause)
}

// after makes one record of two.
func after(a pxepilot.Record, b *pxepilot.Record) pxepilot.Record {
	later, ended := changed(b), map[string]bool{}
	for i := range b.Ended {
		ended[b.Ended[i].Host] = true
	}
	return pxepilot.Record{
		New:      slices.Concat(a.New, b.New),
		Finished: slices.Concat(a.Finished, b.Finished),
		Armed:    slices.Concat(slices.DeleteFunc(slices.Clone(a.Armed), func(old pxepilot.Arming) bool { return later[old.Host] }), b.Armed),
		Disarmed: slices.Concat(slices.DeleteFunc(slices.Clone(a.Disarmed), func(host string) bool { return later[host] }), b.Disarmed),
		Ended:    slices.Concat(slices.DeleteFunc(slices.Clone(a.Ended), func(old pxepilot.Ended) bool { return ended[old.Host] }), b.Ended),

		Generation: max(a.Generation, b.Generation),
		Known:      merge(a.Known, b.Known),
		Contents:   merge(a.Contents, b.Contents),
	}
}

func merge[V any](a, b map[string]V) map[string]V {
	if len(a) == 0 {
		return b
	}
	m := make(map[string]V, len(a)+len(b))
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		m[k] = v
	}
	return m
}

func isEmpty(r *pxepilot.Record) bool {
	return len(r.New)+len(r.Finished)+len(r.Armed)+len(r.Disarmed)+len(r.Ended)+len(r.Known)+len(r.Contents) == 0 && r.Generation == 0
}

// saidOf logs what is wrong with a matter, once for as long as it stays so.
func (b *book) saidOf(matter string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case b.said[matter] == text:
	case err == nil:
		b.log.Info("the "+matter+" works again", "was", b.said[matter])
	default:
		consequence := ""
		if matter == "journal" {
			consequence = "; changes are refused until it does"
			if !b.required() {
				consequence = "; changes are made all the same, and told once it does, unless the server ends before; nothing is armed"
			}
		}
		b.log.Error("the "+matter+" does not work"+consequence, "error", err, "cause", errors.Unwrap(err))
	}
	b.said[matter] = text
}

// A seen view is one with the boots of its hosts, which are as long to make as
// the links of all hosts to read.
type seen struct {
	view  *pxepilot.View
	boots []pxepilot.Boot // in the order of the view
	clean bool            // and nothing of it is news
}

// see reads what a view says.
func (b *book) see(view *pxepilot.View) []pxepilot.Boot {
	if b.last.view != view {
		boots := make([]pxepilot.Boot, len(view.Hosts))
		for i := range view.Hosts {
			boots[i] = bootOf(&view.Hosts[i])
		}
		b.last = seen{view: view, boots: boots}
	}
	return b.last.boots
}
