package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A selfLab is the site of the example with a journal, in which h3 was deployed to
// once; whoever asks is who the test says.
type selfLab struct {
	*lab
	root  *memory
	n     *notebook
	pilot *pilot.Pilot
}

func newSelf(t testing.TB) *selfLab {
	t.Helper()
	l, root := newSeed(t)
	n, site := &notebook{}, l.site
	p := pilot.New(func() *pilot.Site { return site }, func() error { return nil },
		pilot.Options{Journal: n, Clock: func() pxepilot.Moment { return pxepilot.Moment{Wall: then} }})
	s := &selfLab{newLabOf(l, p), root, n, p}
	s.arm("h3")
	return s
}

const deployOnce = `{"hosts":[{"name":%q,"then":"local","within":"2h"}]}`

func (s *selfLab) arm(host string) {
	s.t.Helper()
	if got := s.ask("PUT", "/v1/configurations/ubuntu-16.04/deploy", fmt.Sprintf(deployOnce, host)); got.StatusCode != http.StatusNoContent {
		s.t.Fatalf("%d %s", got.StatusCode, got.body)
	}
}

// from asks as the machine of a MAC address; headers are "Name: value".
func (s *selfLab) from(mac pxepilot.MAC, method, target, body string, headers ...string) answer {
	s.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	tell := Caller(func(context.Context) (pxepilot.MAC, error) {
		if mac.IsZero() {
			return mac, pxepilot.Errorf(pxepilot.Forbidden, "it came through a router; name the host in the URL")
		}
		return mac, nil
	})
	return s.send(r.WithContext(context.WithValue(r.Context(), callerKey{}, tell)), body)
}

var (
	macOfH1, macOfH3, stranger, nobody = pxepilot.MAC{5: 1}, pxepilot.MAC{5: 0x33}, pxepilot.MAC{5: 0x99}, pxepilot.MAC{}
)

func TestSelf(t *testing.T) {
	const armed = `{"name":"h3","configuration":"ubuntu-16.04","state":"configured","generation":1,"then":"local","armedUntil":"2026-11-20T19:04:05Z"}`
	const local = `{"name":"h3","configuration":"local","state":"configured"}`
	for _, tt := range []struct {
		name           string
		by             pxepilot.MAC
		method, target string
		status         int
		want           string // body, or part of the message
		boots          string
	}{
		{"self", macOfH3, "GET", "/v1/self", 200, armed, "ubuntu-16.04"},
		{"self of another host", macOfH1, "GET", "/v1/self", 200, `{"name":"h1","configuration":"","state":"none"}`, "ubuntu-16.04"},
		{"self by name", nobody, "GET", "/v1/self?host=h3", 200, armed, "ubuntu-16.04"},
		{"self of nobody", nobody, "GET", "/v1/self", 403, "it came through a router; name the host in the URL", "ubuntu-16.04"},
		{"self of a stranger", stranger, "GET", "/v1/self", 403, "00:00:00:00:00:99, which is no host's MAC address", "ubuntu-16.04"},
		{"for another", macOfH1, "GET", "/v1/self?host=h3", 403, "speaks for itself only", "ubuntu-16.04"},
		{"done", macOfH3, "POST", "/v1/self/done", 200, local, "local"},
		{"done by GET", macOfH3, "GET", "/v1/self/do/done", 200, local, "local"},
		{"done by name", nobody, "POST", "/v1/self/done?host=h3", 200, local, "local"},
		{"done by address, as iPXE writes it", nobody, "GET", "/v1/self/do/done?host=00%3A00%3A00%3A00%3A00%3A33", 200, local, "local"},
		{"done by a stranger who names it", stranger, "POST", "/v1/self/done?host=h3", 200, local, "local"},
		{"done with its generation", macOfH3, "POST", "/v1/self/done?generation=1", 200, local, "local"},
		{"done with another", macOfH3, "POST", "/v1/self/done?generation=2", 409, "never armed with the generation 2", "ubuntu-16.04"},
		{"done with none", macOfH3, "POST", "/v1/self/done?generation=0", 400, "the query parameter generation is \"0\"", "ubuntu-16.04"},
		{"done with words", macOfH3, "POST", "/v1/self/done?generation=x", 400, "want the number that GET /v1/self tells", "ubuntu-16.04"},
		{"done of an empty host", macOfH3, "POST", "/v1/self/done?host=", 400, "the query parameter host is empty", "ubuntu-16.04"},
		{"done of no host", nobody, "POST", "/v1/self/done?host=h9", 404, `host "h9" not found`, "ubuntu-16.04"},
		{"done for another", macOfH1, "POST", "/v1/self/done?host=h3", 403, "speaks for itself only", "ubuntu-16.04"},
		{"done of one that is not armed", macOfH1, "POST", "/v1/self/done", 409, `host "h1" is not armed`, "ubuntu-16.04"},
		{"done by a parameter too much", macOfH3, "POST", "/v1/self/done?reason=x", 400, `unknown query parameter "reason"`, "ubuntu-16.04"},
		{"done by PUT", macOfH3, "PUT", "/v1/self/done", 405, "it takes OPTIONS, POST", "ubuntu-16.04"},
		{"done by GET on the path of POST", macOfH3, "GET", "/v1/self/done", 405, "it takes OPTIONS, POST", "ubuntu-16.04"},
		{"done by HEAD", macOfH3, "HEAD", "/v1/self/do/done", 405, "is asked by GET only", "ubuntu-16.04"},
		{"failed", macOfH3, "POST", "/v1/self/failed?reason=no+disk", 200, armed, "ubuntu-16.04"},
		{"failed by GET", macOfH3, "GET", "/v1/self/do/failed?reason=no+disk", 200, armed, "ubuntu-16.04"},
		{"failed for another", macOfH1, "POST", "/v1/self/failed?host=h3", 403, "speaks for itself only", "ubuntu-16.04"},
		{"failed of one that is not armed", macOfH1, "POST", "/v1/self/failed", 409, `host "h1" is not armed`, "ubuntu-16.04"},
		{"failed by HEAD", macOfH3, "HEAD", "/v1/self/do/failed", 405, "is asked by GET only", "ubuntu-16.04"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSelf(t)
			s.t = t
			got := s.from(tt.by, tt.method, tt.target, "")
			switch {
			case got.StatusCode != tt.status:
				t.Errorf("%d %s", got.StatusCode, got.body)
			case tt.status == 200:
				sameJSON(t, tt.name, got.body, tt.want)
			case !strings.Contains(got.message(t), tt.want):
				t.Errorf("%s", got.body)
			}
			if s.root.links["h3"] != tt.boots {
				t.Errorf("it boots %s", s.root.links["h3"])
			}
		})
	}
}

// A browser does nothing here, whatever page it shows.
func TestCallbacksOfBrowsers(t *testing.T) {
	s := newSelf(t)
	for _, tt := range []struct {
		method, target string
		headers        []string
	}{
		{"GET", "/v1/self/do/done?host=h3", []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}},
		{"GET", "/v1/self/do/done?host=h3", []string{"Sec-Fetch-Site: none"}},
		{"GET", "/v1/self/do/done?host=h3", []string{"Sec-Purpose: prefetch"}},
		{"GET", "/v1/self/do/done?host=h3", []string{"Accept-Language: en"}},
		{"GET", "/v1/self/do/failed?host=h3", []string{"Referer: http://evil.example/"}},
		{"GET", "/v1/self/do/done?host=h3", []string{"Origin: null"}},
		{"POST", "/v1/self/done?host=h3", []string{"Origin: http://evil.example"}},
		{"POST", "/v1/self/done?host=h3", []string{"Sec-Fetch-Site: cross-site"}},
		{"POST", "/v1/self/failed?host=h3", []string{"Origin: null"}},
	} {
		if got := s.from(nobody, tt.method, tt.target, "", tt.headers...); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s with %q: %d %s", tt.target, tt.headers, got.StatusCode, got.body)
		}
	}
	if got := s.from(nobody, "GET", "/v1/self/do/done?host=h3", "", "User-Agent: iPXE/1.21.1"); got.StatusCode != http.StatusOK {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestFailedLog(t *testing.T) {
	for _, tt := range []struct {
		name, query, log string
		status           int
		reason, kept     string
	}{
		{"all", "?reason=no%20disk%0Afound", "sda\nsdb\n", 200, "no disk found", "sda\nsdb\n"},
		{"no reason", "", "sda\nE: no disk\n\n \n", 200, "E: no disk", "sda\nE: no disk\n\n \n"},
		{"nothing", "", "", 200, "no reason was given", ""},
		{"long", "?reason=x", "begin" + strings.Repeat("0123456789", 20_000) + "end", 200, "x", (strings.Repeat("0123456789", 20_000) + "end")[200_003-65536:]},
		{"no text", "?reason=x", "\xff\x00\x1b[2Jend", 200, "x", "?\x00\x1b[2Jend"},
		{"very long", "?reason=x", strings.Repeat("x", maxBody) + "end", 200, "x", strings.Repeat("x", pxepilot.MaxFailureLog-3) + "end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSelf(t)
			s.t = t
			got := s.from(macOfH3, "POST", "/v1/self/failed"+tt.query, tt.log)
			if got.StatusCode != tt.status {
				t.Fatalf("%d %.300s", got.StatusCode, got.body)
			}
			e := s.n.entries[len(s.n.entries)-1]
			if e.What != pxepilot.Failed || e.Why != tt.reason || e.Log != tt.kept || !e.Loud || e.Actor != "host h3" || e.From != "192.0.2.1" {
				t.Errorf("%s %q by %s from %s, with a log of %d: %.100q", e.What, e.Why, e.Actor, e.From, len(e.Log), e.Log)
			}
			host := s.ask("GET", "/v1/hosts/h3", "")
			if !strings.Contains(string(host.body), `"failure":{"at":"2026-11-20T17:04:05Z","reason":"`+tt.reason+`"`) {
				t.Errorf("%s", host.body)
			}
		})
	}
}

func TestArmings(t *testing.T) {
	s := newSelf(t)
	const of3 = `"generation":1,"entry":1,"configuration":"ubuntu-16.04","then":"local","armed":"2026-11-20T17:04:05Z","until":"2026-11-20T19:04:05Z","onTimeout":"switch"`
	got := s.ask("GET", "/v1/armings", "")
	sameJSON(t, "armings", got.body, `{"armings":[{"name":"h3",`+of3+`}]}`)
	if host := s.ask("GET", "/v1/hosts", ""); !strings.Contains(string(host.body), `"armed":{`+of3+`}`) {
		t.Errorf("%s", host.body)
	}
	got = s.ask("PUT", "/v1/configurations/ubuntu-16.04/deploy", `{"hosts":[{"name":"h1","then":"local","within":"2d","onTimeout":"keep"}]}`, "Prefer: return=representation")
	sameJSON(t, "deploy", got.body, `{"hosts":[{"name":"h1","configuration":"ubuntu-16.04","rebooted":"NO","armed":
		{"generation":2,"configuration":"ubuntu-16.04","then":"local","armed":"2026-11-20T17:04:05Z","until":"2026-11-22T17:04:05Z","onTimeout":"keep"}}]}`)
	entry := s.ask("GET", "/v1/history/2", "")
	if !strings.Contains(string(entry.body), `"armed":{"generation":2,"then":"local"}`) {
		t.Errorf("%s", entry.body)
	}
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"hosts":[{"name":"h3"},{"name":"h2"}]}`, 409, `host "h2" is not armed`},
		{`{"hosts":[{"name":"h9"}]}`, 404, `host "h9" not found`},
		{`{"hosts":[]}`, 400, "no host was named"},
		{`{"hosts":"h3"}`, 400, "hosts is a string; want an array"},
		{`{"host":"h3"}`, 400, `unknown field "host"`},
		{``, 400, ""},
	} {
		if got := s.ask("PUT", "/v1/disarm", tt.body); got.StatusCode != tt.status || !strings.Contains(got.message(t), tt.want) {
			t.Errorf("%s: %d %s", tt.body, got.StatusCode, got.body)
		}
	}
	got = s.ask("PUT", "/v1/disarm", `{"hosts":[{"name":"h3"},{"mac_address":"00:00:00:00:00:01"}]}`)
	if got.StatusCode != 200 || strings.Count(string(got.body), `"name"`) != 2 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	sameJSON(t, "armings", s.ask("GET", "/v1/armings", "").body, `{"armings":[]}`)
	entry = s.ask("GET", "/v1/history/3", "")
	if !strings.Contains(string(entry.body), `"ended":{"generation":1,"then":"local"}`) {
		t.Errorf("%s", entry.body)
	}
}

func TestBadOnce(t *testing.T) {
	s := newSelf(t)
	for _, tt := range []struct {
		host   string
		status int
		want   string
	}{
		{`"then":""`, 400, "hosts[0].then is empty"},
		{`"then":7`, 400, "hosts[0].then is a number; want a string"},
		{`"then":"local","within":"4"`, 400, `hosts[0].within is "4"; want a time such as 4h or 2d`},
		{`"then":"local","within":"-4h"`, 400, "want a time such as 4h or 2d"},
		{`"then":"local","within":"10000d"`, 400, "want a time from 1s to 365d"},
		{`"then":"local","onTimeout":"cry"`, 400, `onTimeout is "cry"; want switch or keep`},
		{`"then":"local","permanent":true`, 409, "leave one out"},
		{`"then":"nothing"`, 404, `what comes then: configuration "nothing" not found`},
		{`"then":"ubuntu-16.04"`, 409, "which is what is deployed"},
		{`"within":"4h"`, 409, "nothing says what it boots when its installer is done"},
	} {
		got := s.ask("PUT", "/v1/configurations/ubuntu-16.04/deploy", `{"hosts":[{"name":"h1",`+tt.host+`}]}`)
		if got.StatusCode != tt.status || !strings.Contains(got.message(t), tt.want) {
			t.Errorf("%s: %d %s", tt.host, got.StatusCode, got.body)
		}
	}
	if s.root.links["h1"] != "" {
		t.Errorf("h1 boots %s", s.root.links["h1"])
	}
}

// The call that installers made first is a done of the machine itself.
func TestDeployOfItself(t *testing.T) {
	for _, tt := range []struct {
		by          pxepilot.MAC
		what, actor string
	}{{macOfH3, "done", "host h3"}, {macOfH1, "deploy", "api"}, {nobody, "deploy", "api"}} {
		s := newSelf(t)
		got := s.from(tt.by, "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"mac_address":"00:00:00:00:00:03"}]}`)
		if e := s.n.entries[len(s.n.entries)-1]; got.StatusCode != 204 || string(e.What) != tt.what || e.Actor != tt.actor || e.Hosts[0].Ended == nil {
			t.Errorf("by %s: %d %s: %+v", tt.by, got.StatusCode, got.body, e)
		}
	}
}

// FuzzCallbacks: whatever comes, it is answered as the contract says, and no host is
// off its rails: it boots what it was armed with, or what comes then, and nothing
// else; and a machine moves itself only.
func FuzzCallbacks(f *testing.F) {
	for _, s := range []string{"", "host=h3", "host=h3&generation=1", "generation=2", "generation=99999999999999999999", "host=00:00:00:00:00:03", "host=%00", "host=h3&host=h3", "reason=%ff%0a", "=&&", "generation=-1", "host=h1;a"} {
		for by := range 4 {
			f.Add(byte(by), byte(by), s, "log\n\x00")
		}
	}
	f.Fuzz(func(t *testing.T, by, what byte, query, body string) {
		target := []string{"/v1/self", "/v1/self/done", "/v1/self/failed", "/v1/self/do/done", "/v1/self/do/failed"}[what%5] + "?" + query
		if u, err := url.ParseRequestURI(target); err != nil || strings.ContainsAny(target, " \t\r\n\x00#") || u.Fragment != "" || len(body) > 1<<16 {
			return
		}
		s := newSelf(t)
		s.arm("h1")
		mac := []pxepilot.MAC{macOfH1, macOfH3, stranger, nobody}[by%4]
		for _, method := range []string{"HEAD", "GET", "POST", "POST"} {
			got := s.from(mac, method, target, body)
			switch got.StatusCode {
			case 200, 400, 403, 404, 405, 409:
			default:
				t.Errorf("%s %q: %d %s", method, target, got.StatusCode, got.body)
			}
			if method == "HEAD" && (s.root.links["h1"] != "ubuntu-16.04" || s.root.links["h3"] != "ubuntu-16.04") {
				t.Errorf("HEAD %q did something", target)
			}
		}
		for host, is := range s.root.links {
			armed := s.pilot.Armings().Of(host).Arming != nil
			switch {
			case host == "h2":
			case armed && is != "ubuntu-16.04", !armed && is != "local":
				t.Errorf("%q: %s boots %s, armed: %t", target, host, is, armed)
			case !armed && (mac == macOfH1 && host != "h1" || mac == macOfH3 && host != "h3"):
				t.Errorf("%q: the machine %s moved %s", target, mac, host)
			}
		}
	})
}

// Who waits long for who asks does not deploy later for it.
func TestSlowCaller(t *testing.T) {
	s := newSelf(t)
	r := httptest.NewRequest("PUT", "/v1/configurations/local/deploy", strings.NewReader(`{"hosts":[{"name":"h3"}]}`))
	r.Host = "localhost"
	var waited time.Duration
	tell := Caller(func(ctx context.Context) (pxepilot.MAC, error) {
		at, _ := ctx.Deadline()
		waited = time.Until(at)
		return pxepilot.MAC{}, context.DeadlineExceeded
	})
	got := s.send(r.WithContext(context.WithValue(r.Context(), callerKey{}, tell)), `{"hosts":[{"name":"h3"}]}`)
	if got.StatusCode != 204 || waited <= 0 || waited > shortPatience {
		t.Errorf("%d %s, after up to %s", got.StatusCode, got.body, waited)
	}
}
