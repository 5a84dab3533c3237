package httpapi

import (
	"context"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A fullJournal has room for intents and none for results, or for nothing.
type fullJournal struct {
	nothing bool
	intents []*pxepilot.Entry
}

var errFull = pxepilot.Errorf(pxepilot.Unavailable, "there is no space left for the journal")

func (j *fullJournal) Write(_ context.Context, r *pxepilot.Record) error {
	if j.nothing || len(r.Finished) > 0 {
		return errFull
	}
	j.intents = append(j.intents, r.New...)
	for i, e := range r.New {
		e.ID = int64(i + 1)
	}
	return nil
}

func (j *fullJournal) Entries(context.Context, pxepilot.Question) ([]pxepilot.Entry, error) {
	return nil, nil
}

func (j *fullJournal) Remember(context.Context) (*pxepilot.Memory, error) {
	return &pxepilot.Memory{}, nil
}

// Whoever gets no outcome is told that the journal does not tell yet; whoever does
// finds it there. Who asked is known by the connection.
func TestWhatTheJournalDoesNotTell(t *testing.T) {
	const deploy = "/v1/configurations/local/deploy"
	const body = `{"hosts":[{"name":"h2"}]}`
	const want = "the links were switched, but the journal does not tell so yet: there is no space left for the journal; it is tried again"
	for _, header := range []string{"Prefer: return=minimal", "Prefer: return=representation"} {
		l, root := newSeed(t)
		j := &fullJournal{}
		l.handler = New(pilot.New(func() *pilot.Site { return l.site }, func() error { return nil }, pilot.Options{Journal: j}), Options{})
		a := l.ask("PUT", deploy, body, header)
		if minimal := strings.HasSuffix(header, "minimal"); minimal != (a.StatusCode == 503) || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s", header, a.StatusCode, a.body)
		}
		if root.links["h2"] != "local" {
			t.Error("nothing was switched")
		}
		if e := j.intents[0]; e.Actor != "api" || e.From != "192.0.2.1" { // as httptest has it
			t.Errorf("by %s from %s", e.Actor, e.From)
		}
	}
	l, root := newSeed(t)
	l.handler = New(pilot.New(func() *pilot.Site { return l.site }, func() error { return nil }, pilot.Options{Journal: &fullJournal{nothing: true}}), Options{})
	a := l.ask("PUT", deploy, body)
	if a.StatusCode != 503 || a.message(t) != "nothing was switched, for it cannot be written down: there is no space left for the journal" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if root.links["h2"] != "ubuntu-16.04" {
		t.Error("it was switched all the same")
	}
}
