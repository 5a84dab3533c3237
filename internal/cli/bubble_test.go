package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// A direct transport calls its handler with no network between, which would keep
// the clock of a test from jumping.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, done := httptest.NewRecorder(), make(chan any)
	if r.Body == nil {
		r.Body = http.NoBody
	}
	go func() {
		defer func() { done <- recover() }()
		d.ServeHTTP(answer, r)
	}()
	broken := <-done
	switch {
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case broken != nil:
		return nil, io.ErrUnexpectedEOF
	}
	return answer.Result(), nil
}

// A recorder tells when which request drove what, before it hands it on.
type recorder struct {
	site  http.Handler
	begin time.Time
	hook  func(line string, r *http.Request) // may be nil

	mu    sync.Mutex
	lines []string
}

func (d *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := ""
	switch r.Method {
	case http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var c apiv1.Change
		_ = json.Unmarshal(body, &c)
		line = "switch"
		for _, h := range c.Hosts {
			line += " " + h.Name
			if h.Reboot {
				line += "!"
			}
		}
		if c.DryRun {
			line += " (dry run)"
		}
		if c.AllAtOnce {
			line += " (all at once)"
		}
	case http.MethodPatch:
		line = strings.TrimSuffix(strings.TrimPrefix(r.URL.RequestURI(), "/v1/hosts/"), "?")
	}
	if line != "" {
		d.mu.Lock()
		d.lines = append(d.lines, fmt.Sprintf("%s %s", time.Since(d.begin), line))
		d.mu.Unlock()
	}
	if d.hook != nil {
		d.hook(line, r)
	}
	d.site.ServeHTTP(w, r)
}

// session is what a run of the program showed.
type session struct {
	status         int
	stdout, stderr string
	asked          []string // when, and what; what came at the same time is sorted
}

// inBubble runs the program in time of its own. hook sees each request first.
func inBubble(t *testing.T, site http.Handler, streams cli.IO, args string, hook func(line string, r *http.Request, stop func())) (s session) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rec := &recorder{site: site, begin: time.Now()}
		if hook != nil {
			rec.hook = func(line string, r *http.Request) { hook(line, r, cancel) }
		}
		var stdout, stderr bytes.Buffer
		streams.Stdout, streams.Stderr = &stdout, &stderr
		streams.HTTP = &http.Client{Transport: direct{rec}}
		s.status = cli.Run(ctx, strings.Fields(args), streams, "1.2.3", local)
		slices.Sort(rec.lines)
		s.stdout, s.stderr, s.asked = stdout.String(), stderr.String(), rec.lines
	})
	return s
}
