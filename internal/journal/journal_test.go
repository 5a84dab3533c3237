package journal

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

var at = time.Date(2026, 11, 6, 17, 30, 0, 123456000, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Options{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state ?#%41&é")
	j := opened(t, dir)
	ctx := context.Background()
	e := &pxepilot.Entry{At: at, What: pxepilot.Deployed, Actor: "api", From: "10.0.0.9", Of: "ubuntu", Hosts: []pxepilot.Switch{{
		Host: "h1", Before: pxepilot.Boot{State: pxepilot.Configured, Configuration: "local", Digest: "00ff"}, After: pxepilot.Boot{State: pxepilot.Configured, Configuration: "ubuntu"},
	}}}
	if err := j.Write(ctx, &pxepilot.Record{New: []*pxepilot.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	m, err := j.Remember(ctx)
	if err != nil {
		t.Fatal(err)
	}
	e.Count = 1
	if d := cmp.Diff([]*pxepilot.Entry{e}, m.UnderWay); d != "" {
		t.Error(d)
	}
	e.Result = pxepilot.Done
	if err := j.Write(ctx, &pxepilot.Record{Finished: []*pxepilot.Entry{e}, Known: map[string]pxepilot.Boot{"h1": e.Hosts[0].After}}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []pxepilot.Question{{}, {ID: 1}, {Host: "h1"}, {Actor: "api"}, {Since: at}, {Host: "h1", Actor: "api", Most: 1}} {
		got, err := j.Entries(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]pxepilot.Entry{*e}, got); d != "" {
			t.Error(d)
		}
	}
}
