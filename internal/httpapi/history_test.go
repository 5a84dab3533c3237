package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A notebook is a pilot.Journal in memory.
type notebook struct {
	entries []*pxepilot.Entry
	asked   pxepilot.Question // last
	err     error             // of everything
}

func (n *notebook) Write(_ context.Context, r *pxepilot.Record) error {
	if n.err != nil {
		return n.err
	}
	for _, e := range r.New {
		e.ID = int64(len(n.entries) + 1)
		n.entries = append(n.entries, e)
	}
	return nil
}

func (n *notebook) Remember(context.Context) (*pxepilot.Memory, error) {
	return &pxepilot.Memory{}, n.err
}

func (n *notebook) Entries(_ context.Context, q pxepilot.Question) ([]pxepilot.Entry, error) {
	n.asked = q
	var found []pxepilot.Entry
	for _, e := range slices.Backward(n.entries) {
		about := q.Host == "" || slices.ContainsFunc(e.Hosts, func(s pxepilot.Switch) bool { return s.Host == q.Host })
		if about && (q.ID == 0 || q.ID == e.ID) && (q.Before == 0 || e.ID < q.Before) && (q.Most == 0 || len(found) < q.Most) &&
			(q.Actor == "" || q.Actor == e.Actor) && !e.At.Before(q.Since) {
			found = append(found, *e)
		}
	}
	return found, n.err
}

var then = time.Date(2026, 11, 20, 18, 4, 5, 6, time.FixedZone("", 3600))

// newHistory is the site of the example with a journal, in which every time is the
// same.
func newHistory(t *testing.T) (*lab, *memory, *notebook) {
	t.Helper()
	l, root := newSeed(t)
	n := &notebook{}
	site := l.site
	return newLabOf(l, pilot.New(func() *pilot.Site { return site }, func() error { return nil },
		pilot.Options{Journal: n, Clock: func() pxepilot.Moment { return pxepilot.Moment{Wall: then} }})), root, n
}

func newLabOf(l *lab, p Pilot) *lab {
	of := newLab(l.t, p)
	of.site = l.site
	return of
}

func TestHistory(t *testing.T) {
	l, _, n := newHistory(t)
	for _, c := range []string{"ubuntu-16.04", "grml-2017.05"} {
		if got := l.ask("PUT", "/v1/configurations/"+c+"/deploy", `{"hosts":[{"name":"h3"}]}`, "X-Forwarded-For: 10.9.9.9", "Forwarded: for=10.9.9.9"); got.StatusCode != http.StatusNoContent {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
	}
	n.entries = append(n.entries, &pxepilot.Entry{ID: 3, At: then, What: pxepilot.Failed, Actor: "host h1", From: "10.0.0.1", Of: "local", Loud: true,
		Why: "no\ndisk", Result: pxepilot.Unclear, Error: "e", Count: 2, Log: "line\nline\x1b",
		Hosts: []pxepilot.Switch{{Host: "h1", Result: pxepilot.NotDone}, {Host: "gone", Before: pxepilot.Boot{State: pxepilot.None}}}})
	const configured = `{"state":"configured","configuration":"%s"}`
	deploy := func(id int, from, to string) string {
		return fmt.Sprintf(`{"id":%d,"at":"2026-11-20T17:04:05Z","what":"deploy","actor":"api","from":"192.0.2.1","configuration":%q,"result":"done","count":1,
			"hosts":[{"host":"h3","before":`+configured+`,"after":`+configured+`}]}`, id, to, from, to)
	}
	first, second := deploy(1, "local", "ubuntu-16.04"), deploy(2, "ubuntu-16.04", "grml-2017.05")
	failed := `{"id":3,"at":"2026-11-20T17:04:05Z","what":"failed","actor":"host h1","from":"10.0.0.1","configuration":"local","why":"no disk","result":"unclear","error":"e",
		"loud":true,"count":2,"log":"line\nline\u001b","hosts":[{"host":"h1","before":{"state":""},"after":{"state":""},"result":"not done"},{"host":"gone","before":{"state":"none"},"after":{"state":""}}]}`
	list := func(earlier bool, entries ...string) string {
		return fmt.Sprintf(`{"earlier":%t,"entries":[%s]}`, earlier, strings.Join(entries, ","))
	}
	for _, tt := range []struct {
		target string
		want   string
		asked  pxepilot.Question
	}{
		{"/v1/history", list(false, failed, second, first), pxepilot.Question{Most: 101, Hosts: 20}},
		{"/v1/history?limit=2", list(true, failed, second), pxepilot.Question{Most: 3, Hosts: 20}},
		{"/v1/history?limit=3", list(false, failed, second, first), pxepilot.Question{Most: 4, Hosts: 20}},
		{"/v1/history?limit=99999", list(false, failed, second, first), pxepilot.Question{Most: 1001, Hosts: 20}},
		{"/v1/history?before=2", list(false, first), pxepilot.Question{Most: 101, Hosts: 20, Before: 2}},
		{"/v1/history?host=00-00-00-00-00-33&actor=api", list(false, second, first), pxepilot.Question{Most: 101, Hosts: 20, Host: "h3", Actor: "api"}},
		{"/v1/history?actor=host+h1", list(false, failed), pxepilot.Question{Most: 101, Hosts: 20, Actor: "host h1"}},
		{"/v1/history?since=2026-11-20T17:04:06Z", list(false), pxepilot.Question{Most: 101, Hosts: 20, Since: then.Truncate(time.Second).Add(time.Second)}},
		{"/v1/history?host=h2", list(false), pxepilot.Question{Most: 101, Hosts: 20, Host: "h2"}},
		{"/v1/history?host=gone", list(false, failed), pxepilot.Question{Most: 101, Hosts: 20, Host: "gone"}},
		{"/v1/hosts/h3/history?limit=1", list(true, second), pxepilot.Question{Most: 2, Hosts: 20, Host: "h3"}},
		{"/v1/history/3", failed, pxepilot.Question{ID: 3}},
	} {
		got := l.ask("GET", tt.target, "")
		if got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", tt.target, got.StatusCode, got.body)
			continue
		}
		sameJSON(t, tt.target, got.body, tt.want)
		if d := cmp.Diff(tt.asked, n.asked); d != "" {
			t.Errorf("%s:\n%s", tt.target, d)
		}
	}
}

func TestSince(t *testing.T) {
	for _, tt := range []struct {
		text string
		ago  time.Duration
	}{{"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}, {"0s", 0}} {
		got, err := readSince(tt.text)
		if late := time.Since(got) - tt.ago; err != nil || late < 0 || late > time.Minute {
			t.Errorf("%s: %s, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{"", "-1h", "yesterday", "2026-11-20", "2026-11-20T18:00:00", "7"} {
		if got, err := readSince(text); pxepilot.ErrorCode(err) != pxepilot.Invalid {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestUndo(t *testing.T) {
	l, root, n := newHistory(t)
	if got := l.ask("PUT", "/v1/configurations/grml-2017.05/deploy", `{"hosts":[{"name":"h2"},{"name":"h3"}]}`); got.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	const h3 = `{"name":"h3","configuration":"local","rebooted":"NO"}`
	step := func(mac, was, becomes string) string {
		return `{"host":"h3","bootloader":"pxelinux","path":"pxelinux.cfg/01-00-00-00-00-00-` + mac + `","was":"` + was + `","becomes":"` + becomes + `"}`
	}
	for _, tt := range []struct{ body, want, h2, h3 string }{
		{`{"id":1,"host":"000000000033","dryRun":true}`, `{"hosts":[` + h3 + `],"steps":[` + step("03", "conf/grml-2017.05", "conf/local") + "," + step("33", "01-00-00-00-00-00-03", "01-00-00-00-00-00-03") + `]}`, "grml-2017.05", "grml-2017.05"},
		{`{"host":"h3"}`, `{"hosts":[` + h3 + `],"entry":2}`, "grml-2017.05", "local"},
		{`{}`, `{"hosts":[{"name":"h3","configuration":"grml-2017.05","rebooted":"NO"}],"entry":3}`, "grml-2017.05", "grml-2017.05"},
		{` { "id" : 1 , "force" : true } `, `{"hosts":[{"name":"h2","configuration":"ubuntu-16.04","rebooted":"NO"},` + h3 + `],"entry":4}`, "ubuntu-16.04", "local"},
	} {
		got := l.ask("PUT", "/v1/undo", tt.body)
		if got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", tt.body, got.StatusCode, got.body)
		}
		sameJSON(t, tt.body, got.body, tt.want)
		if d := cmp.Diff(map[string]string{"h2": tt.h2, "h3": tt.h3}, root.links); d != "" {
			t.Errorf("%s: %s", tt.body, d)
		}
	}
	last := n.entries[len(n.entries)-1]
	if last.What != pxepilot.Undone || last.Undoes != 1 || last.Actor != "api" || last.From != "192.0.2.1" {
		t.Errorf("%+v", last)
	}
	if got := l.ask("PUT", "/v1/undo", `{"id":1}`); got.StatusCode != http.StatusConflict || !strings.Contains(got.message(t), "entry 1 was not undone") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestBadHistory(t *testing.T) {
	l, _, _ := newHistory(t)
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/v1/history/17", "", 404, "the journal has no entry 17"},
		{"GET", "/v1/history/0", "", 400, `the ID of an entry is "0"`},
		{"GET", "/v1/history/h3", "", 400, `the ID of an entry is "h3"; want a number such as 17`},
		{"GET", "/v1/history/99999999999999999999", "", 400, "the ID of an entry"},
		{"GET", "/v1/history?host=h4", "", 404, `host "h4" not found`},
		{"GET", "/v1/hosts/h4/history", "", 404, `host "h4" not found`},
		{"GET", "/v1/history?host=", "", 400, "the query parameter host is empty"},
		{"GET", "/v1/history?actor=", "", 400, "the query parameter actor is empty"},
		{"GET", "/v1/history?since=", "", 400, `the query parameter since is ""`},
		{"GET", "/v1/history?since=yesterday", "", 400, "such as 24h or 7d"},
		{"GET", "/v1/history?before=0", "", 400, `the query parameter before is "0"; want a number from 1 on`},
		{"GET", "/v1/history?limit=-1", "", 400, `the query parameter limit is "-1"; want a number from 1 on`},
		{"GET", "/v1/hosts/h3/history?host=h1", "", 400, `unknown query parameter "host"`},
		{"PUT", "/v1/undo", "", 400, `the body is empty; want a JSON object such as {"id":17}, or {} for the latest entry`},
		{"PUT", "/v1/undo", `{"id":"17"}`, 400, "id is a string; want a number"},
		{"PUT", "/v1/undo", `{"id":1.5}`, 400, `id is "1.5"; want a whole number from 1 on`},
		{"PUT", "/v1/undo", `{"id":0}`, 400, `id is "0"`},
		{"PUT", "/v1/undo", `{"id":-1}`, 400, `id is "-1"`},
		{"PUT", "/v1/undo", `{"id":}`, 400, "want a number"},
		{"PUT", "/v1/undo", `{"host":""}`, 400, "host is empty"},
		{"PUT", "/v1/undo", `{"hosts":[]}`, 400, `unknown field "hosts"`},
		{"PUT", "/v1/undo", `{"host":"h4"}`, 404, `host "h4" not found`},
		{"PUT", "/v1/undo", `{"id":17}`, 404, "the journal has no entry 17"},
		{"PUT", "/v1/undo", `{}`, 404, "nothing to undo"},
		{"PUT", "/v1/undo", `{"host":"h3"}`, 404, `nothing to undo of host "h3"`},
		{"POST", "/v1/undo", `{}`, 405, "does not take the method"},
	} {
		if got := l.ask(tt.method, tt.target, tt.body); got.StatusCode != tt.status || !strings.Contains(got.message(t), tt.want) {
			t.Errorf("%s %s %s: %d %s", tt.method, tt.target, tt.body, got.StatusCode, got.body)
		}
	}
}

func TestHistoryWithoutAJournal(t *testing.T) {
	bare, _ := newSeed(t)
	for _, target := range []string{"/v1/history", "/v1/history/1", "/v1/hosts/h1/history"} {
		if got := bare.ask("GET", target, ""); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", target, got.StatusCode, got.body)
		}
	}
	l, root, n := newHistory(t)
	n.err = pxepilot.Errorf(pxepilot.Unavailable, "there is no space left for the journal; make room")
	for _, tt := range [][2]string{{"/v1/configurations/local/deploy", `{"hosts":[{"name":"h2"}]}`}, {"/v1/undo", "{}"}} {
		got := l.ask("PUT", tt[0], tt[1])
		if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.message(t), "no space left") {
			t.Errorf("%s: %d %s", tt[0], got.StatusCode, got.body)
		}
	}
	if root.changes > 0 {
		t.Error("links were switched")
	}
	var hosts []apiv1.Host
	if got := l.ask("GET", "/v1/hosts", ""); json.Unmarshal(got.body, &hosts) != nil || len(hosts) != 3 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}
