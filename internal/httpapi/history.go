package httpapi

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// How many entries a list has unless told otherwise, and at most; and of how many
// of the hosts of an entry it tells, which may be about all of the site.
const (
	usualEntries = 100
	mostEntries  = 1000
	hostsInLists = 20
)

// undoFields are those of the body of an undo.
var undoFields = []string{"id", "host", "force", "dryRun"}

func (a *api) listHistory(w http.ResponseWriter, r *http.Request) error {
	host, err := filled(r.URL.Query(), "host")
	if err != nil {
		return err
	}
	return a.tellHistory(w, r, host)
}

func (a *api) listHostHistory(w http.ResponseWriter, r *http.Request) error {
	return a.tellHistory(w, r, r.PathValue("name"))
}

func (a *api) tellHistory(w http.ResponseWriter, r *http.Request, host string) error {
	q, err := readQuestion(r.URL.Query())
	if err != nil {
		return err
	}
	most := q.Most
	q.Host, q.Hosts, q.Most = host, hostsInLists, most+1
	entries, err := a.pilot.History(r.Context(), q)
	if err != nil {
		return err
	}
	told := apiv1.History{Entries: []apiv1.Entry{}, Earlier: len(entries) > most}
	for i := range entries[:min(most, len(entries))] {
		told.Entries = append(told.Entries, entry(&entries[i]))
	}
	writeJSON(w, http.StatusOK, told)
	return nil
}

func (a *api) showEntry(w http.ResponseWriter, r *http.Request) error {
	id, ok := positive(r.PathValue("id"))
	if !ok {
		return pxepilot.Errorf(pxepilot.Invalid, "the ID of an entry is %s; want a number such as 17", pxepilot.Quote(r.PathValue("id")))
	}
	entries, err := a.pilot.History(r.Context(), pxepilot.Question{ID: id})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, entry(&entries[0]))
	return nil
}

// readQuestion reads all of a question but whose history it asks for.
func readQuestion(query url.Values) (pxepilot.Question, error) {
	q := pxepilot.Question{Most: usualEntries}
	var err error
	if q.Actor, err = filled(query, "actor"); err != nil {
		return q, err
	}
	if query.Has("since") {
		if q.Since, err = readSince(query.Get("since")); err != nil {
			return q, err
		}
	}
	for _, name := range []string{"before", "limit"} {
		if !query.Has(name) {
			continue
		}
		n, ok := positive(query.Get(name))
		switch {
		case !ok:
			return q, pxepilot.Errorf(pxepilot.Invalid, "the query parameter %s is %s; want a number from 1 on", name, pxepilot.Quote(query.Get(name)))
		case name == "before":
			q.Before = n
		default:
			q.Most = int(min(n, mostEntries))
		}
	}
	return q, nil
}

// readSince reads a moment, or how long ago that was.
func readSince(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if ago, err := pxepilot.ParseDuration(text); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	return time.Time{}, pxepilot.Errorf(pxepilot.Invalid,
		"the query parameter since is %s; want a time before now such as 24h or 7d, or a moment such as 2026-11-20T18:00:00Z", pxepilot.Quote(text))
}

// filled is a query parameter that has a value where it is there.
func filled(query url.Values, name string) (string, error) {
	value := query.Get(name)
	if query.Has(name) && value == "" {
		return "", pxepilot.Errorf(pxepilot.Invalid, "the query parameter %s is empty; give it a value, or leave it out", name)
	}
	return value, nil
}

// positive is a decimal number from 1 on.
func positive(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == text
}

func entry(e *pxepilot.Entry) apiv1.Entry {
	told := apiv1.Entry{
		ID: e.ID, At: e.At.UTC().Format(time.RFC3339), What: string(e.What), Actor: e.Actor, From: e.From, Configuration: e.Of,
		Why: oneLine(e.Why), Result: result(e.Result), Error: oneLine(e.Error), Undoes: e.Undoes, Loud: e.Loud, Log: e.Log,
		Count: e.Count, Hosts: make([]apiv1.Switch, len(e.Hosts)),
	}
	for i := range e.Hosts {
		s := &e.Hosts[i]
		told.Hosts[i] = apiv1.Switch{Host: s.Host, Before: boot(s.Before), After: boot(s.After)}
		if s.Result != "" {
			told.Hosts[i].Result = result(s.Result)
		}
		told.Hosts[i].Armed, told.Hosts[i].Ended = oneShot(s.Armed), oneShot(s.Ended)
	}
	return told
}

func oneShot(a *pxepilot.Arming) *apiv1.OneShot {
	if a == nil {
		return nil
	}
	return &apiv1.OneShot{Generation: a.Generation, Then: a.Then}
}

func result(r pxepilot.Result) string {
	if r == pxepilot.UnderWay {
		return "under way"
	}
	return string(r)
}

func boot(b pxepilot.Boot) apiv1.Boot {
	return apiv1.Boot{State: string(b.State), Configuration: b.Configuration}
}

func (a *api) undo(w http.ResponseWriter, r *http.Request) error {
	text, err := readBody(w, r)
	if err != nil {
		return err
	}
	u, err := decodeUndo(text)
	if err != nil {
		return err
	}
	u.By = asker(r)
	out, err := patiently(w, func() (*pilot.Outcome, error) { return a.pilot.Undo(r.Context(), u) })
	if err != nil {
		return err
	}
	a.logShortfalls(w, r, out)
	answer := outcome(out, u.DryRun)
	answer.Entry = out.Entry
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func decodeUndo(text []byte) (pilot.Undo, error) {
	var u pilot.Undo
	if len(bytes.TrimSpace(text)) == 0 {
		return u, pxepilot.Errorf(pxepilot.Invalid, "the body is empty; want a JSON object such as {\"id\":17}, or {} for the latest entry")
	}
	r := &reader{text: text}
	err := r.value(func() error {
		return r.object(undoFields, func(field string) (err error) {
			switch field {
			case "id":
				u.Entry, err = r.number()
			case "host":
				u.Host, err = r.filled()
			case "force":
				u.Force, err = r.bool()
			case "dryRun":
				u.DryRun, err = r.bool()
			}
			return err
		})
	})
	return u, err
}
