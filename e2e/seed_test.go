package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// The original specification's requests and answers, parsed. Answers may have
// more fields than it knew.
func TestSeedJSON(t *testing.T) {
	hosts := []lab.Host{
		{Name: "h1", MACs: []string{"00:00:00:00:00:01"}},
		{Name: "h2", MACs: []string{"00:00:00:00:00:02"}},
		{Name: "h3", MACs: []string{"00:00:00:00:00:03", "00:00:00:00:00:33"}},
		{Name: "h4", MACs: []string{"83:06:0a:00:cf:03"}},
	}
	site := lab.NewSite(t)
	for _, c := range []string{"ubuntu-16.04", "local", "grml-2017.05"} {
		site.Configure(t, c, "DEFAULT "+c+"\n")
	}
	site.Describe(t, site.Text(hosts...))
	lab.Link(t, filepath.Join(site.Conf, "ubuntu-16.04"), site.Link(hosts[1].MACs[0]))
	lab.Link(t, filepath.Join(site.Conf, "local"), site.Link(hosts[2].MACs[0]))
	lab.Link(t, site.Link(hosts[2].MACs[0]), site.Link(hosts[2].MACs[1]))
	server := site.Serve(t)

	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string // empty for no body
	}{
		{"GET", "/v1/configurations", "", 200, `{"configurations": [{"name": "grml-2017.05"}, {"name": "local"}, {"name": "ubuntu-16.04"}]}`},
		{"GET", "/v1/hosts", "", 200, `[
			{"name": "h1", "macAddresses": ["00:00:00:00:00:01"], "configuration": null},
			{"name": "h2", "macAddresses": ["00:00:00:00:00:02"], "configuration": {"name": "ubuntu-16.04"}},
			{"name": "h3", "macAddresses": ["00:00:00:00:00:03", "00:00:00:00:00:33"], "configuration": {"name": "local"}},
			{"name": "h4", "macAddresses": ["83:06:0a:00:cf:03"], "configuration": null}]`},
		{"PUT", "/v1/configurations/local/deploy", `{"hosts": [{"name": "h1"}, {"name": "h2"}, {"mac_address": "83:06:0a:00:cf:03"}]}`, 204, ""},
		{"GET", "/v1/hosts?status=false", "", 200, `[
			{"name": "h1", "macAddresses": ["00:00:00:00:00:01"], "configuration": {"name": "local"}},
			{"name": "h2", "macAddresses": ["00:00:00:00:00:02"], "configuration": {"name": "local"}},
			{"name": "h3", "macAddresses": ["00:00:00:00:00:03", "00:00:00:00:00:33"], "configuration": {"name": "local"}},
			{"name": "h4", "macAddresses": ["83:06:0a:00:cf:03"], "configuration": {"name": "local"}}]`},
		{"PUT", "/v1/configurations/grml/deploy", `{"hosts": [{"name": "h1"}]}`, 404, `{"message": "configuration \"grml\" not found; did you mean grml-2017.05?"}`},
		{"PUT", "/v1/configurations/local/deploy", `{"hosts": "h1"}`, 400, `{"message": "line 1, column 11: hosts is a string; want an array"}`},
	} {
		got := ask(t, tt.method, server.URL+tt.path, tt.body)
		if got.status != tt.status {
			t.Errorf("%s %s: status %d, want %d: %s", tt.method, tt.path, got.status, tt.status, got.body)
		}
		if tt.want == "" {
			if got.body != "" {
				t.Errorf("%s %s answers %s", tt.method, tt.path, got.body)
			}
			continue
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s %s: Content-Type %s", tt.method, tt.path, kind)
		}
		want := parse(t, tt.want)
		if diff := cmp.Diff(want, known(parse(t, got.body), want)); diff != "" {
			t.Errorf("%s %s:\n%s", tt.method, tt.path, diff)
		}
	}
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, text))
	}
	return v
}

// known is what of v the pattern has fields for.
func known(v, pattern any) any {
	switch pattern := pattern.(type) {
	case map[string]any:
		object, ok := v.(map[string]any)
		if !ok {
			return v
		}
		part := map[string]any{}
		for key, p := range pattern {
			if value, ok := object[key]; ok {
				part[key] = known(value, p)
			}
		}
		return part
	case []any:
		list, ok := v.([]any)
		if !ok || len(list) != len(pattern) {
			return v
		}
		part := make([]any, len(list))
		for i := range list {
			part[i] = known(list[i], pattern[i])
		}
		return part
	}
	return v
}
