package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A broken pilot answers with what a test sets.
type broken struct {
	Pilot
	hosts  func(context.Context) (*pxepilot.View, error)
	loader func() []pxepilot.Bootloader
}

func (b broken) Hosts(ctx context.Context) (*pxepilot.View, error) { return b.hosts(ctx) }
func (b broken) Bootloaders() ([]pxepilot.Bootloader, bool)        { return b.loader(), true }

func (b broken) Configuration(context.Context, string, string) ([]pxepilot.Variant, error) {
	return nil, nil
}

func TestPanic(t *testing.T) {
	l := newLab(t, broken{loader: func() []pxepilot.Bootloader { panic("0xdeadbeef") }})
	got := l.ask("GET", "/v1/bootloaders", "")
	id := got.Header.Get("X-Request-Id")
	if want := "internal error; the server's log has the details as request " + id; got.StatusCode != 500 || got.message(t) != want {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	for _, part := range []string{`"panic":"0xdeadbeef"`, "answer_test.go", id, `"level":"ERROR"`, `"status":500`} {
		if !strings.Contains(l.log.String(), part) {
			t.Errorf("no %s in the log: %s", part, l.log)
		}
	}
	if n := strings.Count(l.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
}

// A panic after the answer began breaks the connection off: half an answer must
// not look like a whole one.
func TestPanicHalfway(t *testing.T) {
	l := newLab(t, nil)
	a := &api{log: l.handler.(*api).log, guard: newGuard("", nil), mux: http.NewServeMux()}
	a.mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"half":`))
		panic("0xdeadbeef")
	})
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("panicked with %v", p)
			}
		}()
		r := httptest.NewRequest("GET", "/half", nil)
		r.Host = "localhost"
		a.ServeHTTP(httptest.NewRecorder(), r)
	}()
	for _, part := range []string{`"panic":"0xdeadbeef"`, `"bytes":8`, `"status":200`, `"level":"ERROR"`} {
		if !strings.Contains(l.log.String(), part) {
			t.Errorf("no %s in the log: %s", part, l.log)
		}
	}
}

func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		err    error
		status int
	}{
		{"by the client", ctx, context.Canceled, 503},
		{"by a time limit", t.Context(), context.DeadlineExceeded, 503},
		{"by ourselves", t.Context(), context.Canceled, 500},
	} {
		l := newLab(t, broken{hosts: func(context.Context) (*pxepilot.View, error) { cancel(); return nil, tt.err }})
		r := httptest.NewRequest("GET", "/v1/hosts", nil).WithContext(tt.ctx)
		r.Host = "localhost"
		if got := l.send(r, ""); got.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.name, got.StatusCode, got.body)
		}
	}
}

func TestConfigurationWentAway(t *testing.T) {
	l := newLab(t, broken{})
	if got := l.ask("GET", "/v1/configurations/local", ""); got.StatusCode != 404 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// The log has one line for each request, and nothing of bodies and headers.
func TestLog(t *testing.T) {
	l, _ := newSeed(t)
	long := "/v1/hosts/" + strings.Repeat("%2e", 3000)
	ids := map[string]bool{}
	for _, ask := range []struct {
		method, target, body string
		want                 map[string]any
	}{
		{"GET", "/v1/hosts?status=false", "", map[string]any{"level": "INFO", "method": "GET", "path": "/v1/hosts", "status": 200.0}},
		{"PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1"}],"secretfield":"hunter2"}`,
			map[string]any{"level": "INFO", "method": "PUT", "path": "/v1/configurations/local/deploy", "status": 400.0,
				"error": `line 1, column 26: unknown field "secretfield"; known here: hosts, dryRun, skipRefused, dropUncovered, force, allAtOnce, verify`}},
		{"GET", "/v1/hosts/a%0Ab", "", map[string]any{"level": "INFO", "method": "GET", "path": "/v1/hosts/a%0Ab", "status": 400.0,
			"error": `host: the name "a\nb" contains a control character`, "cause": `the name "a\nb" contains a control character`}},
		{"GET", long, "", map[string]any{"level": "INFO", "method": "GET", "path": long[:256] + "...", "status": 400.0,
			"error": `host: the name "` + strings.Repeat(".", 80) + `"... is longer than 255 bytes`, "cause": `the name "` + strings.Repeat(".", 80) + `"... is longer than 255 bytes`}},
	} {
		l.log.Reset()
		got := l.ask(ask.method, ask.target, ask.body, "Authorization: Bearer hunter2", "Cookie: hunter2", "X-Request-Id: mine")
		text := l.log.String()
		if strings.Count(text, "\n") != 1 || strings.Contains(text, "hunter2") {
			t.Errorf("%s %s: logged %s", ask.method, ask.target, text)
		}
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		id := got.Header.Get("X-Request-Id")
		if ids[id] || len(id) != 16 || line["request_id"] != id {
			t.Errorf("request id %q, logged %v", id, line["request_id"])
		}
		ids[id] = true
		if line["bytes"] != float64(len(got.body)) || line["remote"] != "192.0.2.1:1234" || line["duration"] == nil || line["msg"] != "request" {
			t.Errorf("logged %s", text)
		}
		for _, other := range []string{"request_id", "bytes", "remote", "duration", "msg", "time"} {
			delete(line, other)
		}
		if diff := cmp.Diff(ask.want, line); diff != "" {
			t.Errorf("%s:\n%s", ask.target, diff)
		}
	}
}

func TestNoLogger(t *testing.T) {
	h := New(pilot.New(nil, nil, pilot.Options{}), Options{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusForbidden { // example.com
		t.Errorf("%d", w.Code)
	}
}

func TestExplainKeepsOurs(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	ours := pxepilot.Errorf(pxepilot.Conflict, "c").Because(context.DeadlineExceeded)
	if got := explain(r, ours, "id"); !errors.Is(got, ours) {
		t.Errorf("got %v", got)
	}
}
