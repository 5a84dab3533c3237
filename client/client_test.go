package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// All tests run behind a proxy that does not exist: what they reach on loopback
// shows that it is not asked there. net/http reads the environment only once.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NO_PROXY": "", "no_proxy": ""} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// serve starts a server and a client of it.
func serve(t *testing.T, h http.HandlerFunc, opts ...Option) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return connect(t, s.URL, opts...)
}

func connect(t *testing.T, server string, opts ...Option) *Client {
	t.Helper()
	c, err := New(server, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answerWith(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Request-Id", "0123456789abcdef")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestNew(t *testing.T) {
	for _, tt := range []struct{ server, want, fails string }{
		{"", "http://localhost:3478", ""},
		{"http://pxe:3478", "http://pxe:3478", ""},
		{"http://pxe:3478/", "http://pxe:3478", ""},
		{"https://pxe.example.net/pilot//", "https://pxe.example.net/pilot", ""},
		{"https://pxe.example.net/a%2Fb/", "https://pxe.example.net/a%2Fb", ""},
		{"localhost:3478", "http://localhost:3478", ""},
		{"10.0.0.1:3478", "http://10.0.0.1:3478", ""},
		{"[::1]:3478", "http://[::1]:3478", ""},
		{"pxe", "http://pxe", ""},
		{"http://user:hunter2@pxe", "http://user:xxxxx@pxe", ""},
		{"ftp://user:hunter2@pxe", "", `begins with "ftp://"`},
		{"http://", "", "names no host"},
		{"http://:3478", "", "names no host"},
		{"http://pxe?x=hunter2", "", "has a query"},
		{"http://pxe#hunter2", "", "has a query or a fragment"},
		{"http://user:hunter2@pxe:port", "", "is not a URL"},
		{"http://pxe\nhunter2", "", "is not a URL"},
	} {
		c, err := New(tt.server)
		switch {
		case tt.fails != "":
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v, want %q", tt.server, err, tt.fails)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.server, err)
		case c.address() != tt.want:
			t.Errorf("%q: %s, want %s", tt.server, c.address(), tt.want)
		}
	}
}

// What is asked, and what becomes of the answer.
func TestCalls(t *testing.T) {
	change := apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}, {MACAddress: "00:00:00:00:00:02"}}, DryRun: true}
	const body = `{"hosts":[{"name":"h1"},{"mac_address":"00:00:00:00:00:02"}],"dryRun":true}`
	outcome := &apiv1.Outcome{Hosts: []apiv1.HostOutcome{{Name: "h1", Configuration: "local", Rebooted: "NO"}}}
	const outcomeJSON = `{"hosts":[{"name":"h1","configuration":"local","rebooted":"NO"}]}`
	h3 := apiv1.Host{Name: "h3", MACAddresses: []string{"00:00:00:00:00:03"}, Configuration: &apiv1.ConfigurationRef{Name: "local"}, State: "configured", Links: []apiv1.Link{}}
	const h3JSON = `{"name":"h3","macAddresses":["00:00:00:00:00:03"],"configuration":{"name":"local"},"state":"configured","canonical":false,"links":[],"isNew":1}`
	for _, tt := range []struct {
		name   string
		call   func(context.Context, *Client) (any, error)
		asked  string
		answer string
		want   any
	}{
		{"configurations", func(ctx context.Context, c *Client) (any, error) { return c.Configurations(ctx) }, "GET /v1/configurations",
			`{"configurations":[{"name":"local"},{"name":"x","bootloaders":["grub"]}]}`, []apiv1.Configuration{{Name: "local"}, {Name: "x", Bootloaders: []string{"grub"}}}},
		{"configuration", func(ctx context.Context, c *Client) (any, error) { return c.Configuration(ctx, "local", "") }, "GET /v1/configurations/local",
			`{"name":"local","content":"C"}`, &apiv1.ConfigurationContent{Name: "local", Content: "C"}},
		{"variant", func(ctx context.Context, c *Client) (any, error) { return c.Configuration(ctx, "a b", "x&y") }, "GET /v1/configurations/a%20b?bootloader=x%26y",
			`{"name":"a b","content":"C"}`, &apiv1.ConfigurationContent{Name: "a b", Content: "C"}},
		{"hosts", func(ctx context.Context, c *Client) (any, error) { return c.Hosts(ctx) }, "GET /v1/hosts", "[" + h3JSON + "]", []apiv1.Host{h3}},
		{"hosts without power", func(ctx context.Context, c *Client) (any, error) { return c.HostsWithoutPower(ctx) }, "GET /v1/hosts?status=false", "[" + h3JSON + "]", []apiv1.Host{h3}},
		{"no hosts", func(ctx context.Context, c *Client) (any, error) { return c.Hosts(ctx) }, "GET /v1/hosts", "[]", []apiv1.Host{}},
		{"armings", func(ctx context.Context, c *Client) (any, error) { return c.Armings(ctx) }, "GET /v1/armings", `{"armings":[{"name":"h1","generation":3,"then":"local"}]}`,
			[]apiv1.Arming{{Name: "h1", Generation: 3, Then: "local"}}},
		{"disarm", func(ctx context.Context, c *Client) (any, error) { return c.Disarm(ctx, "h1", "h2") }, `PUT /v1/disarm {"hosts":[{"name":"h1"},{"name":"h2"}]}`, `{"armings":[]}`, []apiv1.Arming{}},
		{"self", func(ctx context.Context, c *Client) (any, error) { return c.Self(ctx, apiv1.SelfOptions{}) }, "GET /v1/self", `{"name":"h1","generation":3}`, &apiv1.Self{Name: "h1", Generation: 3}},
		{"done", func(ctx context.Context, c *Client) (any, error) {
			return c.Done(ctx, apiv1.SelfOptions{Host: "00:00:00:00:00:01", Generation: 3})
		},
			"POST /v1/self/done?generation=3&host=00%3A00%3A00%3A00%3A00%3A01", `{"name":"h1"}`, &apiv1.Self{Name: "h1"}},
		{"failed", func(ctx context.Context, c *Client) (any, error) {
			return c.Failed(ctx, apiv1.SelfOptions{}, "no disk", "sda: \"")
		},
			"POST /v1/self/failed?reason=no+disk sda: \"", `{"name":"h1"}`, &apiv1.Self{Name: "h1"}},
		{"host", func(ctx context.Context, c *Client) (any, error) { return c.Host(ctx, "00:00:00:00:00:03") }, "GET /v1/hosts/00:00:00:00:00:03", h3JSON, &h3},
		{"host with a slash", func(ctx context.Context, c *Client) (any, error) { return c.Host(ctx, "../h3") }, "GET /v1/hosts/..%2Fh3", h3JSON, &h3},
		{"host with a query", func(ctx context.Context, c *Client) (any, error) { return c.Host(ctx, "h?a=b#c%2F;é") }, "GET /v1/hosts/h%3Fa=b%23c%252F%3B%C3%A9", h3JSON, &h3},
		{"host of no text", func(ctx context.Context, c *Client) (any, error) { return c.Host(ctx, "\x00\n\xff") }, "GET /v1/hosts/%00%0A%FF", h3JSON, &h3},
		{"explanation", func(ctx context.Context, c *Client) (any, error) { return c.Explain(ctx, "h 3", false) }, "GET /v1/hosts/h%203/explain",
			`{"name":"h 3","configuration":null,"state":"none","asDeployed":false,"searches":[{"bootloader":"ipxe","macAddress":"00:00:00:00:00:03","source":"s","asks":[],"inChroot":""}]}`,
			&apiv1.Explanation{Name: "h 3", State: "none", Searches: []apiv1.Search{{Bootloader: "ipxe", MACAddress: "00:00:00:00:00:03", Source: "s", Asks: []apiv1.Ask{}, InChroot: new(string)}}}},
		{"verified explanation", func(ctx context.Context, c *Client) (any, error) { return c.Explain(ctx, "h3", true) }, "GET /v1/hosts/h3/explain?verify=true",
			`{"name":"h3","configuration":{"name":"local"},"state":"configured","asDeployed":true,"searches":[]}`,
			&apiv1.Explanation{Name: "h3", Configuration: &apiv1.ConfigurationRef{Name: "local"}, State: "configured", AsDeployed: true, Searches: []apiv1.Search{}}},
		{"bootloaders", func(ctx context.Context, c *Client) (any, error) { return c.Bootloaders(ctx) }, "GET /v1/bootloaders",
			`{"bootloaders":[{"name":"grub","links":["x"]}]}`, []apiv1.Bootloader{{Name: "grub", Links: []string{"x"}}}},
		{"health", func(ctx context.Context, c *Client) (any, error) { return c.Health(ctx) }, "GET /v1/health", `{"status":"degraded","reload":"r"}`, &apiv1.Health{Status: "degraded", Reload: "r"}},
		{"power", func(ctx context.Context, c *Client) (any, error) { return c.Power(ctx, "h/3") }, "GET /v1/hosts/h%2F3/power",
			`{"name":"h/3","powerState":"On","address":"10.0.0.3"}`, &apiv1.Power{Name: "h/3", PowerState: "On", Address: "10.0.0.3"}},
		{"on", func(ctx context.Context, c *Client) (any, error) {
			return c.PowerAction(ctx, "h3", "on", apiv1.PowerOptions{Next: "pxe"})
		}, "PATCH /v1/hosts/h3/on?next=pxe", "", false},
		{"soft off", func(ctx context.Context, c *Client) (any, error) {
			return c.PowerAction(ctx, "h3", "off", apiv1.PowerOptions{Soft: true})
		}, "PATCH /v1/hosts/h3/off?soft=true", "", false},
		{"cycle", func(ctx context.Context, c *Client) (any, error) {
			return c.PowerAction(ctx, "../h3", "cycle", apiv1.PowerOptions{Next: "x&y"})
		}, "PATCH /v1/hosts/..%2Fh3/cycle?next=x%26y", "", false},
		{"reboot", func(ctx context.Context, c *Client) (any, error) {
			return c.PowerAction(ctx, "h3", "reboot", apiv1.PowerOptions{})
		}, "PATCH /v1/hosts/h3/reboot", "", false},
		{"discover", func(ctx context.Context, c *Client) (any, error) { return c.Discover(ctx, 0) }, "PATCH /v1/discovery",
			`{"subnets":[{"subnet":"10.0.0.0/24","method":"arp","asked":254,"answered":2,"found":[{"macAddress":"00:00:00:00:00:a2","address":"10.0.0.2","hosts":["h2"]}],
				"missing":[{"macAddress":"00:00:00:00:00:a3","hosts":["h3"]}],"duplicates":[],"seconds":0.5}]}`,
			&apiv1.Discovery{Subnets: []apiv1.SubnetSweep{{Subnet: "10.0.0.0/24", Method: "arp", Asked: 254, Answered: 2,
				Found:   []apiv1.FoundBMC{{MACAddress: "00:00:00:00:00:a2", Address: "10.0.0.2", Hosts: []string{"h2"}}},
				Missing: []apiv1.MissingBMC{{MACAddress: "00:00:00:00:00:a3", Hosts: []string{"h3"}}}, Duplicates: []string{}, Seconds: 0.5}}}},
		{"discover slowly", func(ctx context.Context, c *Client) (any, error) { return c.Discover(ctx, 100) }, "PATCH /v1/discovery?rate=100", "", &apiv1.Discovery{}},
		{"how far", func(ctx context.Context, c *Client) (any, error) { return c.DiscoveryProgress(ctx) }, "GET /v1/discovery",
			`{"running":true,"asked":10,"of":254,"found":1,"wanted":2}`, &apiv1.DiscoveryProgress{Running: true, Asked: 10, Of: 254, Found: 1, Wanted: 2}},
		{"deploy", func(ctx context.Context, c *Client) (any, error) { return c.Deploy(ctx, "a/b", change) }, "PUT /v1/configurations/a%2Fb/deploy " + body, outcomeJSON, outcome},
		{"deploy without an answer", func(ctx context.Context, c *Client) (any, error) { return c.Deploy(ctx, "local", change) }, "PUT /v1/configurations/local/deploy " + body, "", &apiv1.Outcome{}},
		{"deploy unverified", func(ctx context.Context, c *Client) (any, error) {
			return c.Deploy(ctx, "local", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}}, Verify: new(bool)})
		}, `PUT /v1/configurations/local/deploy {"hosts":[{"name":"h1"}],"verify":false}`,
			`{"hosts":[{"name":"h1","configuration":"local","rebooted":"NO","served":"NO","unserved":"u"}],"problem":"p"}`,
			&apiv1.Outcome{Hosts: []apiv1.HostOutcome{{Name: "h1", Configuration: "local", Rebooted: "NO", Served: "NO", Unserved: "u"}}, Problem: "p"}},
		{"clear", func(ctx context.Context, c *Client) (any, error) { return c.Clear(ctx, change) }, "PUT /v1/clear " + body, outcomeJSON, outcome},
		{"repair", func(ctx context.Context, c *Client) (any, error) { return c.Repair(ctx, apiv1.Change{All: true}) }, `PUT /v1/repair {"all":true}`, outcomeJSON, outcome},
		{"undo", func(ctx context.Context, c *Client) (any, error) {
			return c.Undo(ctx, apiv1.Undo{ID: 17, Host: "h1", Force: true, DryRun: true})
		},
			`PUT /v1/undo {"id":17,"host":"h1","force":true,"dryRun":true}`, outcomeJSON, outcome},
		{"undo the latest", func(ctx context.Context, c *Client) (any, error) { return c.Undo(ctx, apiv1.Undo{}) }, "PUT /v1/undo {}",
			`{"hosts":[],"entry":18}`, &apiv1.Outcome{Hosts: []apiv1.HostOutcome{}, Entry: 18}},
		{"history", func(ctx context.Context, c *Client) (any, error) { return c.History(ctx, apiv1.HistoryOptions{}) }, "GET /v1/history",
			`{"entries":[],"earlier":true}`, &apiv1.History{Entries: []apiv1.Entry{}, Earlier: true}},
		{"history of a host", func(ctx context.Context, c *Client) (any, error) {
			return c.History(ctx, apiv1.HistoryOptions{Host: "h/3", Since: "2026-11-20T18:00:00+01:00", Actor: "host h3", Before: 17, Limit: 5})
		}, "GET /v1/hosts/h%2F3/history?actor=host+h3&before=17&limit=5&since=2026-11-20T18%3A00%3A00%2B01%3A00",
			`{"entries":[],"earlier":false}`, &apiv1.History{Entries: []apiv1.Entry{}}},
		{"entry", func(ctx context.Context, c *Client) (any, error) { return c.HistoryEntry(ctx, 17) }, "GET /v1/history/17",
			`{"id":17,"at":"2026-11-20T17:04:05Z","what":"deploy","actor":"api","from":"10.0.0.9","configuration":"ubuntu","result":"done","count":1,
				"hosts":[{"host":"h7","before":{"state":"none"},"after":{"state":"configured","configuration":"ubuntu"}}]}`,
			&apiv1.Entry{ID: 17, At: "2026-11-20T17:04:05Z", What: "deploy", Actor: "api", From: "10.0.0.9", Configuration: "ubuntu", Result: "done", Count: 1,
				Hosts: []apiv1.Switch{{Host: "h7", Before: apiv1.Boot{State: "none"}, After: apiv1.Boot{State: "configured", Configuration: "ubuntu"}}}}},
	} {
		for _, prefix := range []string{"", "/pilot", "/a%2Fb"} {
			var asked string
			var header http.Header
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent, _ := io.ReadAll(r.Body)
				asked, header = strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(sent)), r.Header
				if tt.answer == "" {
					w.WriteHeader(http.StatusNoContent)
				}
				_, _ = io.WriteString(w, tt.answer)
			}))
			got, err := tt.call(t.Context(), connect(t, s.URL+prefix+"/"))
			s.Close()
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if want := strings.Replace(tt.asked, " /", " "+prefix+"/", 1); asked != want {
				t.Errorf("%s:\nasked %s\nwant  %s", tt.name, asked, want)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s:\n%s", tt.name, diff)
			}
			want := map[string]string{"Accept": "application/json", "User-Agent": "pxe-pilot-client", "Content-Type": "", "Prefer": ""}
			if strings.HasSuffix(tt.asked, "sda: \"") {
				want["Content-Type"] = "text/plain; charset=utf-8"
			}
			if strings.HasPrefix(tt.asked, "PUT") {
				want["Content-Type"] = "application/json"
			}
			if strings.HasPrefix(tt.asked, "PUT") || strings.HasPrefix(tt.asked, "PATCH /v1/discovery") {
				want["Prefer"] = "return=representation"
			}
			for name, value := range want {
				if header.Get(name) != value {
					t.Errorf("%s: %s is %q", tt.name, name, header.Get(name))
				}
			}
		}
	}
}

// That something was accepted, and no more, is told by a header.
func TestPowerAccepted(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/on") {
			w.Header().Set("X-Power-Result", "accepted")
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for action, want := range map[string]bool{"on": true, "off": false} {
		if accepted, err := c.PowerAction(t.Context(), "h1", action, apiv1.PowerOptions{}); accepted != want || err != nil {
			t.Errorf("%s: %t, %v", action, accepted, err)
		}
	}
}

// Names that would change which path is asked never leave.
func TestNamesThatAreNone(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked %s", r.URL) })
	for _, name := range []string{"", ".", ".."} {
		for _, call := range []func() (any, error){
			func() (any, error) { return c.Host(t.Context(), name) },
			func() (any, error) { return c.Explain(t.Context(), name, true) },
			func() (any, error) { return c.Configuration(t.Context(), name, "") },
			func() (any, error) { return c.Deploy(t.Context(), name, apiv1.Change{}) },
			func() (any, error) { return c.Power(t.Context(), name) },
			func() (any, error) { return c.PowerAction(t.Context(), name, "off", apiv1.PowerOptions{}) },
			func() (any, error) { return c.PowerAction(t.Context(), "h1", name, apiv1.PowerOptions{}) },
		} {
			_, err := call()
			var refused *Error
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || refused.Message == "" {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		status           int
		kind, body, want string
	}{
		{404, "application/json", `{"message":"host \"h9\" not found"}`, `host "h9" not found`},
		{409, "application/json; charset=utf-8", `{"message":"m","more":1}`, "m"},
		{500, "", `{"message":"m"}`, "m"},
		{502, "text/html", "<html>\n<h1>Bad Gateway</h1>", "the server answers 502 Bad Gateway, which is not how PXE Pilot refuses; is the address right, or a proxy between?"},
		{400, "text/plain; charset=utf-8", "Client sent an HTTP request to an HTTPS server.\nmore", `the server answers 400 Bad Request ("Client sent an HTTP request to an HTTPS server."), which is not how PXE Pilot refuses; is the address right, or a proxy between?`},
		{431, "text/plain", "", "the server answers 431 Request Header Fields Too Large, which is not how PXE Pilot refuses; is the address right, or a proxy between?"},
		{404, "application/json", `{"error":"x"}`, "the server answers 404 Not Found, which is not how PXE Pilot refuses; is the address right, or a proxy between?"},
		{404, "application/json", `{"message":""}`, "the server answers 404 Not Found, which is not how PXE Pilot refuses; is the address right, or a proxy between?"},
		{404, "application/json", `{"message":1}`, "the server answers 404 Not Found, which is not how PXE Pilot refuses; is the address right, or a proxy between?"},
		{599, "text/plain", "\x1b[2J" + strings.Repeat("x", 500), `the server answers 599 ("\x1b[2J` + strings.Repeat("x", 76) + `"...), which is not how PXE Pilot refuses; is the address right, or a proxy between?`},
	} {
		c := serve(t, answerWith(tt.status, tt.kind, tt.body))
		for _, call := range []func() error{
			func() error { _, err := c.Hosts(t.Context()); return err },
			func() error { _, err := c.Deploy(t.Context(), "local", apiv1.Change{}); return err },
		} {
			var got *Error
			if err := call(); !errors.As(err, &got) {
				t.Errorf("%d %s: %v", tt.status, tt.body, err)
				continue
			}
			if diff := cmp.Diff(&Error{Status: tt.status, Message: tt.want, RequestID: "0123456789abcdef"}, got); diff != "" {
				t.Error(diff)
			}
			if got.Error() != tt.want {
				t.Errorf("it reads %q", got)
			}
		}
	}
}

// A redirect is told, not followed: a 301 would turn PUT into GET.
func TestRedirects(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "https://pxe.example.net"+r.URL.Path, http.StatusMovedPermanently)
	})
	_, err := c.Deploy(t.Context(), "local", apiv1.Change{})
	var got *Error
	if !errors.As(err, &got) || got.Status != 301 || !strings.Contains(got.Message, `"https://pxe.example.net/v1/configurations/local/deploy"`) || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func TestAnswersOfOthers(t *testing.T) {
	c := serve(t, answerWith(200, "text/html", "<html>log in first</html>"))
	if _, err := c.PowerAction(t.Context(), "h1", "off", apiv1.PowerOptions{}); err == nil || !strings.Contains(err.Error(), "the answer is not PXE Pilot's (200 OK)") {
		t.Errorf("%v", err)
	}
	for _, body := range []string{"<html>welcome to nginx</html>", "", "{", `{"message":"hosts are an array"}`, `[{"name":1}]`} {
		_, err := serve(t, answerWith(200, "text/html", body)).Hosts(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the answer is not PXE Pilot's") {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// No server can fill the memory of who asks it.
func TestLargeAnswers(t *testing.T) {
	var n atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 200 {
			m, err := w.Write(chunk)
			n.Add(int64(m))
			if err != nil {
				return
			}
		}
	})
	_, err := c.Hosts(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the answer is larger than 64 MiB") {
		t.Errorf("%v", err)
	}
	if n.Load() > 100<<20 {
		t.Errorf("%d bytes were sent", n.Load())
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	_, err := connect(t, s.URL).Hosts(t.Context())
	var got *UnreachableError
	if !errors.As(err, &got) || got.Server != s.URL || !strings.Contains(err.Error(), "no answer from "+s.URL+": ") ||
		!strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "Get ") {
		t.Errorf("%v", err)
	}
	// Not on loopback, so the proxy of the environment is asked; see TestMain.
	_, err = connect(t, "http://user:hunter2@pxe.example.net:3478").Hosts(t.Context())
	if !errors.As(err, &got) || !strings.Contains(err.Error(), "127.0.0.1:1: connect: connection refused") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the proxy was not asked: %v", err)
	}
}

// A change whose answer got lost is not sent again, also where the connection
// was used before.
func TestNothingIsSentTwice(t *testing.T) {
	var changes atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "[]")
			return
		}
		changes.Add(1)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close()
	})
	if _, err := c.Hosts(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Deploy(t.Context(), "local", apiv1.Change{})
	var got *UnreachableError
	if !errors.As(err, &got) || changes.Load() != 1 {
		t.Errorf("%v, sent %d times", err, changes.Load())
	}
}

// A transport that never answers.
type hole struct{}

func (hole) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// How long each call waits: long enough for what the server does meanwhile.
func TestPatience(t *testing.T) {
	calls := map[string]struct {
		call  func(context.Context, *Client) error
		waits time.Duration
	}{
		"hosts":   {func(ctx context.Context, c *Client) error { _, err := c.Hosts(ctx); return err }, time.Minute},
		"health":  {func(ctx context.Context, c *Client) error { _, err := c.Health(ctx); return err }, time.Minute},
		"how far": {func(ctx context.Context, c *Client) error { _, err := c.DiscoveryProgress(ctx); return err }, time.Minute},
		"deploy": {func(ctx context.Context, c *Client) error {
			_, err := c.Deploy(ctx, "local", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1", Reboot: true}}})
			return err
		}, 15 * time.Minute},
		"clear":   {func(ctx context.Context, c *Client) error { _, err := c.Clear(ctx, apiv1.Change{}); return err }, 15 * time.Minute},
		"explain": {func(ctx context.Context, c *Client) error { _, err := c.Explain(ctx, "h1", false); return err }, time.Minute},
		"verify":  {func(ctx context.Context, c *Client) error { _, err := c.Explain(ctx, "h1", true); return err }, 2 * time.Minute},
		"power":   {func(ctx context.Context, c *Client) error { _, err := c.Power(ctx, "h1"); return err }, 2 * time.Minute},
		"reboot": {func(ctx context.Context, c *Client) error {
			_, err := c.PowerAction(ctx, "h1", "reboot", apiv1.PowerOptions{})
			return err
		}, 2 * time.Minute},
		"sweep": {func(ctx context.Context, c *Client) error { _, err := c.Discover(ctx, 1); return err }, 24 * time.Hour}, // until the caller gives up
	}
	for name, tt := range calls {
		synctest.Test(t, func(t *testing.T) {
			c := connect(t, "")
			c.http.Transport = hole{}
			ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
			defer cancel()
			began := time.Now()
			err := tt.call(ctx, c)
			var unreachable *UnreachableError
			if took := time.Since(began); took != tt.waits || !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v after %s, want %s", name, err, took, tt.waits)
			}
		})
		// The limits of a client of one's own are one's own.
		synctest.Test(t, func(t *testing.T) {
			c := connect(t, "", WithHTTPClient(&http.Client{Transport: hole{}, Timeout: 5 * time.Hour}))
			began := time.Now()
			if err := tt.call(t.Context(), c); err == nil || time.Since(began) != 5*time.Hour {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
		})
	}
}

func TestAnswerThatBreaksOff(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `[{"name":`)
	})
	_, err := c.Hosts(t.Context())
	var got *UnreachableError
	if !errors.As(err, &got) || !strings.Contains(err.Error(), "the answer broke off") || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

func TestContext(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	c := serve(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Hosts(ctx)
	var unreachable *UnreachableError
	if !errors.Is(err, context.Canceled) || errors.As(err, &unreachable) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err = c.Hosts(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &unreachable) {
		t.Errorf("too late: %v", err)
	}
}

// The log of -d tells what was asked, and nothing that is secret or large.
func TestLogger(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := httptest.NewServer(answerWith(200, "application/json", `{"hosts":[]}`))
	defer s.Close()
	c := connect(t, strings.Replace(s.URL, "http://", "http://user:hunter2@", 1), WithLogger(logger), WithUserAgent("test/1"))
	if _, err := c.Deploy(t.Context(), "local", apiv1.Change{Hosts: []apiv1.HostRef{{Name: "h1"}}}); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	delete(line, "time")
	if d, ok := line["duration"].(float64); !ok || d <= 0 {
		t.Errorf("duration %v", line["duration"])
	}
	delete(line, "duration")
	if diff := cmp.Diff(map[string]any{"level": "DEBUG", "msg": "answer", "method": "PUT", "status": 200.0, "bytes": 12.0, "request_id": "0123456789abcdef",
		"url": strings.Replace(s.URL, "http://", "http://user:xxxxx@", 1) + "/v1/configurations/local/deploy"}, line); diff != "" {
		t.Error(diff)
	}
	log.Reset()
	s.Close()
	if _, err := c.Hosts(t.Context()); err == nil || strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), `"msg":"no answer"`) {
		t.Errorf("%v, logged %s", err, log.String())
	}
}

func TestOptions(t *testing.T) {
	var agent, auth string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent, auth = r.UserAgent(), r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "[]")
	}))
	defer s.Close()
	if _, err := connect(t, s.URL, WithHTTPClient(s.Client()), WithUserAgent("test/1")).Hosts(t.Context()); err != nil || agent != "test/1" {
		t.Errorf("%v, agent %q", err, agent)
	}
	if _, err := connect(t, strings.Replace(s.URL, "://", "://user:pass@", 1), WithHTTPClient(s.Client())).Hosts(t.Context()); err != nil || auth != "Basic dXNlcjpwYXNz" {
		t.Errorf("%v, Authorization %q", err, auth)
	}
	var unreachable *UnreachableError
	if _, err := connect(t, s.URL).Hosts(t.Context()); !errors.As(err, &unreachable) {
		t.Errorf("an unknown certificate was taken: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(apiv1.Host{Name: strings.TrimPrefix(r.URL.Path, "/v1/hosts/")})
	})
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b/c", "d", "e", "f", "g", "h", "i"} {
		wg.Go(func() {
			if h, err := c.Host(t.Context(), name); err != nil || h.Name != name {
				t.Errorf("%s: %v, %v", name, h, err)
			}
		})
	}
	wg.Wait()
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"h1", "a/b", "..", ".", "%2e", "é", "\x00", "?", "#", ";", "\xff"} {
		f.Add(s)
	}
	c, err := New("http://localhost/prefix")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		req, err := c.prepare(t.Context(), request{method: "GET", path: []string{"hosts", name}})
		if err != nil {
			if name != "" && name != "." && name != ".." {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		rest, ok := strings.CutPrefix(req.URL.RequestURI(), "/prefix/v1/hosts/")
		if !ok || strings.ContainsAny(rest, "/?# \r\n") || req.URL.Path != "/prefix/v1/hosts/"+name {
			t.Errorf("%q asks %s", name, req.URL.RequestURI())
		}
	})
}
