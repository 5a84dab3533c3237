package cli_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// TestProgress looks at the terminal while hosts take their time.
func TestProgress(t *testing.T) {
	slow := func(line string, r *http.Request, _ func()) {
		if line != "" && !strings.Contains(line, "dry run") || strings.HasSuffix(r.URL.Path, "/explain") {
			<-time.After(1100 * time.Millisecond)
			if strings.HasPrefix(line, "r19") {
				<-time.After(time.Second)
			}
		}
	}
	terminal := cli.IO{StderrTTY: true}
	const plan = "note: 3 hosts in 2 waves of up to 2, 2s apart; no further wave once 2 hosts have failed\n"
	for _, tt := range []struct {
		args    string
		streams cli.IO
		lines   []string
	}{
		{"host on r01", terminal, []string{"1 host, 0s", "1 host, 1s", ""}},
		{"host on r01", cli.IO{}, nil},
		{"host on r01", cli.IO{StderrTTY: true, Env: func(string) string { return "dumb" }}, nil},
		{"host list", terminal, nil}, // done at once
		{"config deploy local r01", terminal, []string{"changing links, 0s", "changing links, 1s", ""}},
		{"host repair r01", terminal, []string{"changing links, 0s", "changing links, 1s", ""}},
		{"host explain r01", terminal, []string{"asking what r01 gets, 0s", "asking what r01 gets, 1s", ""}},
		{"config deploy local r01 r02 --now --batch 1 --pause 0s --switch-first", terminal, []string{
			"changing links, 0s", "changing links, 1s", "", "wave 1 of 2: 1 host, 0s", "wave 1 of 2: 1 host, 1s", "wave 2 of 2: 1 host, 0s", ""}},
		{"host on r01 r19 r02 --batch 2 --pause 2s --max-fail 1", terminal, []string{
			"wave 1 of 2: 2 hosts, 0s", "wave 1 of 2: 2 hosts, 1s", "wave 1 of 2: 1 of 2 hosts, 1s", "wave 1 of 2: 1 of 2 hosts, 2s",
			"wave 1 of 2 is done, 2s until the next; 1 failed", "wave 1 of 2 is done, 1s until the next; 1 failed", "wave 1 of 2 is done, 0s until the next; 1 failed",
			"wave 2 of 2: 1 host, 0s; 1 failed", ""}},
		{"config deploy local r01 r02 r03 --now --batch 2 --pause 1s", terminal, []string{
			"wave 1 of 2: 2 hosts, 0s", "wave 1 of 2: 2 hosts, 1s",
			"wave 1 of 2 is done, 1s until the next", "wave 1 of 2 is done, 0s until the next",
			"wave 2 of 2: 1 host, 0s", ""}},
	} {
		got := inBubble(t, newFakeRack(), tt.streams, tt.args, slow)
		_, shown, _ := strings.Cut(got.stderr, "\r")
		if tt.lines == nil {
			if strings.ContainsAny(got.stderr, "\r\x1b") {
				t.Errorf("%s: %q", tt.args, got.stderr)
			}
			continue
		}
		shown, _, _ = strings.Cut(shown, "error:")
		lines := strings.Split(strings.TrimSuffix(shown, "\x1b[K"), "\x1b[K\r")
		if diff := cmp.Diff(tt.lines, lines); diff != "" {
			t.Errorf("%s:\n%s", tt.args, diff)
		}
		if strings.Contains(tt.args, "pause 2s") && !strings.HasPrefix(got.stderr, plan) {
			t.Errorf("%s: %q", tt.args, got.stderr)
		}
	}
}

// TestSweepProgress asks for how far a sweep is while it goes on.
func TestSweepProgress(t *testing.T) {
	site := swept()
	var begin atomic.Pointer[time.Time]
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/discovery" && r.Method == http.MethodGet:
			ms := int(time.Since(*begin.Load()).Milliseconds())
			answer(w, apiv1.DiscoveryProgress{Running: ms > 250, Asked: ms * 10, Of: 65534, Found: ms / 500, Wanted: 3})
			return
		case r.URL.Path == "/v1/discovery":
			now := time.Now()
			begin.Store(&now)
			<-time.After(1100 * time.Millisecond)
		}
		site.ServeHTTP(w, r)
	})
	got := inBubble(t, handler, cli.IO{StderrTTY: true}, "discover", nil)
	shown, _, _ := strings.Cut(got.stderr, "note:")
	const want = "\r5000 of 65534 addresses asked, 1 of 3 BMCs found\x1b[K" +
		"\r7500 of 65534 addresses asked, 1 of 3 BMCs found\x1b[K" +
		"\r10000 of 65534 addresses asked, 2 of 3 BMCs found\x1b[K\r\x1b[K"
	if shown != want {
		t.Errorf("%q", shown)
	}
}

// TestManyAtOnce drives more machines than may be under way at a time.
func TestManyAtOnce(t *testing.T) {
	site := newFakeSite()
	site.hosts, site.bmcs = nil, map[string]*fakeBMC{}
	args := "host on --all-at-once"
	for n := range 300 {
		name := fmt.Sprintf("m%d", n)
		site.hosts = append(site.hosts, apiv1.Host{Name: name, MACAddresses: []string{fmt.Sprintf("00:00:00:00:%02x:%02x", n>>8, n&0xff)}})
		site.bmcs[name] = &fakeBMC{state: "Off"}
		args += " " + name
	}
	var mu sync.Mutex
	now, most := 0, 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-time.After(time.Second)
		site.ServeHTTP(w, r)
		mu.Lock()
		now--
		mu.Unlock()
	})
	got := inBubble(t, handler, cli.IO{}, args+" -o name", nil)
	if lines := strings.Count(got.stdout, "\n"); got.status != 0 || lines != 300 || most != 64 || !strings.HasPrefix(got.stdout, "m0\nm1\nm2\n") {
		t.Errorf("exit status %d, %d lines, %d at once, %s", got.status, lines, most, got.stderr)
	}
	if len(site.driven) != 300 {
		t.Errorf("%d actions", len(site.driven))
	}
}

// TestAge tells how old what is known of the power is.
func TestAge(t *testing.T) {
	for at, want := range map[string]string{
		"1999-12-31T23:59:48Z": "On (12s ago)",
		"1999-12-31T21:58:57Z": "On (2h1m3s ago)",
		"2000-01-01T00:00:00Z": "On (just now)",
		"2000-01-01T00:01:00Z": "On (just now)", // the server's clock is ahead
		"":                     "On",
		"yesterday":            "On",
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, apiv1.Host{Name: "h1", PowerState: "On", PowerStateAt: at})
		})
		got := inBubble(t, handler, cli.IO{}, "host show h1", nil)
		if !strings.Contains(got.stdout, "Power state:    "+want+"\n") {
			t.Errorf("%q: %s", at, got.stdout)
		}
	}
}

// TestLastFetch tells what a host got last over HTTP, and who asked for it.
func TestLastFetch(t *testing.T) {
	for _, tt := range []struct {
		fetch *apiv1.LastFetch
		want  string
	}{
		{&apiv1.LastFetch{At: "1999-12-31T23:59:48Z", Path: "/boot/52-54-00-00-00-01", By: "10.0.0.7", Agent: "iPXE/1.21.1", Bootloader: "ipxe", Configuration: "local", Status: 200},
			"local for ipxe, 12s ago, by 10.0.0.7 (iPXE/1.21.1), as /boot/52-54-00-00-00-01"},
		{&apiv1.LastFetch{At: "2000-01-01T00:00:00Z", Path: "/tftp/x", By: "10.0.0.7", Bootloader: "grub", Status: 304},
			"what is no configuration for grub, just now, by 10.0.0.7, as /tftp/x"},
		{&apiv1.LastFetch{At: "1999-12-31T23:00:00Z", Path: "/boot/1", By: "fe80::1%eth0", Status: 404},
			"nothing (404), 1h0m0s ago, by fe80::1%eth0, as /boot/1"},
		{nil, ""},
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer(w, apiv1.Host{Name: "h1", LastFetch: tt.fetch})
		})
		got := inBubble(t, handler, cli.IO{}, "host show h1", nil)
		if line := "Last fetched:   " + tt.want + "\n"; strings.Contains(got.stdout, line) != (tt.fetch != nil) || tt.fetch == nil && strings.Contains(got.stdout, "Last") {
			t.Errorf("%+v: %s", tt.fetch, got.stdout)
		}
	}
}
