package redfish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

func TestPowerStates(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	for told, want := range map[string]struct {
		state   pxepilot.PowerState
		refused string
	}{
		"On":          {pxepilot.PowerOn, ""},
		"Off":         {pxepilot.PowerOff, ""},
		"Paused":      {pxepilot.PowerOn, ""},
		"PoweringOn":  {pxepilot.PowerUnknown, "just about to change the power (PoweringOn); ask again in a moment"},
		"PoweringOff": {pxepilot.PowerUnknown, "just about to change the power (PoweringOff)"},
		"":            {pxepilot.PowerUnknown, `does not tell whether system "1" is on`},
		"on\x1b":      {pxepilot.PowerUnknown, `tells the power state "on\x1b", which is none of Redfish's`},
	} {
		s.System("").Become(told)
		state, err := c.State(t.Context())
		if state != want.state {
			t.Errorf("%q: %s", told, state)
		}
		if want.refused != "" {
			wants(t, err, want.refused)
		} else if err != nil {
			t.Errorf("%q: %v", told, err)
		}
	}
}

func TestSystems(t *testing.T) {
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf("node%d", i+1)
	}
	for _, tt := range []struct {
		systems []string
		wanted  string
		drives  string
		refused string
	}{
		{[]string{"437XR1138R2"}, "", "437XR1138R2", ""},
		{[]string{"437XR1138R2"}, "437XR1138R2", "437XR1138R2", ""},
		{[]string{"a", "b"}, "b", "b", ""},
		{[]string{"a", "b"}, "/redfish/v1/Systems/b", "b", ""},
		{[]string{"a", "b"}, "", "", "manages several systems (a, b); say which one by redfish.system"},
		{[]string{"a", "b"}, "c", "", `has no system "c"; it has a, b`},
		{many, "", "", "manages several systems (node1, node2, node3, node4, node5, node6, node7, node8, ...)"},
		{many, "node20", "node20", ""},
	} {
		s := redfishtest.New(redfishtest.Options{Systems: tt.systems})
		c := open(t, s, redfish.Options{System: tt.wanted})
		err := c.Do(t.Context(), pxepilot.ActionOn)
		if tt.refused != "" {
			wants(t, err, tt.refused)
		} else if err != nil {
			t.Error(err)
		}
		for _, id := range tt.systems {
			if on := s.System(id).IsOn(); on != (id == tt.drives) {
				t.Errorf("%v, %q: system %s is on: %t", tt.systems, tt.wanted, id, on)
			}
		}
		c.Close()
		s.Close()
	}
}

// A list of systems may come in pages, also in ones that have no end.
func TestSystemsInPages(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	endless := false
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.URL.Path != "/redfish/v1/Systems":
			next.ServeHTTP(w, r)
		case endless || r.URL.Query().Get("$skip") == "":
			fmt.Fprint(w, `{"Members":[],"Members@odata.nextLink":"/redfish/v1/Systems?$skip=1"}`)
		default:
			fmt.Fprint(w, `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`)
		}
	})
	endless = true
	_, err := c.State(t.Context())
	wants(t, err, "lists no system")
	endless = false
	isOn(t, c, pxepilot.PowerOff)
}

// A system that moved is looked up again.
func TestSystemMoved(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	isOn(t, c, pxepilot.PowerOff)
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasPrefix(r.URL.Path, "/redfish/v1/Systems/1") {
			http.NotFound(w, r)
			return
		}
		r.URL.Path = strings.Replace(r.URL.Path, "Systems/new", "Systems/1", 1)
		edited(w, r, next, strings.NewReplacer("Systems/1", "Systems/new"))
	})
	_, err := c.State(t.Context())
	wants(t, err, "status 404 Not Found")
	isOn(t, c, pxepilot.PowerOff)
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string // Retry-After
		body   string
		want   string
	}{
		{503, "120", "", "status 503 Service Unavailable; try again in 120 s"},
		{503, "Fri, 31 Dec 2027 23:59:59 GMT", "", "try again at 2027-12-31T23:59:59Z"},
		{503, "soon", "<html>busy</html>", "try again later"},
		{429, "5", "", "status 429 Too Many Requests; try again in 5 s"},
		{500, "", `{"error":{"message":"general failure"}}`, `status 500 Internal Server Error, "general failure"`},
		{500, "", `{"error":{"message":"see below","@Message.ExtendedInfo":[{"MessageId":"Base.1.8.InternalError"}]}}`, `"Base.1.8.InternalError"`},
		{403, "", `{"error":{"message":"insufficient\nprivilege"}}`, `"insufficient\nprivilege"; check the role of redfish.username`},
		{418, "", "\x00", "status 418"},
		{799, "", "", "status 799"},
		{200, "", "", "answers nonsense"},
		{204, "", "", "answers nonsense"},
		{206, "", "{}", "status 206"},
	} {
		s, c := serve(t, redfishtest.Options{})
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path != "/redfish/v1/Systems/1" {
				next.ServeHTTP(w, r)
				return
			}
			if tt.header != "" {
				w.Header().Set("Retry-After", tt.header)
			}
			w.WriteHeader(tt.status)
			w.Write([]byte(tt.body))
		})
		_, err := c.State(t.Context())
		wants(t, err, tt.want)
	}
}

// Redirects within the service are followed for what is only read, others never:
// neither the token nor the password leaves for another host, another port or
// another scheme.
func TestRedirects(t *testing.T) {
	thief := redfishtest.New(redfishtest.Options{Plain: true})
	defer thief.Close()
	for _, tt := range []struct {
		method, path, to string
		status           int
		want             string // empty where it is followed
	}{
		{"GET", "/redfish/v1/", "/redfish/v1/#moved", 301, "where no password is taken"}, // for ever
		{"GET", "/redfish/v1/Systems", "/redfish/v1/Systems/", 308, ""},
		{"GET", "/redfish/v1/Systems/1", thief.URL() + "/redfish/v1/Systems/1", 302, "where no password is taken; if that is the service, set redfish.url to it"},
		{"GET", "/redfish/v1/", thief.URL(), 307, "status 307 Temporary Redirect to"},
		{"GET", "/redfish/v1/Systems", "https://localhost:1/", 302, "status 302 Found to"},
		{"GET", "/redfish/v1/Systems", "//[::1]:1/", 303, "status 303 See Other to"},
		{"POST", "/redfish/v1/SessionService/Sessions", thief.URL() + "/redfish/v1/SessionService/Sessions", 307, "status 307"},
		{"POST", "/redfish/v1/SessionService/Sessions", "/elsewhere", 307, "status 307"},
		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "/redfish/v1/Systems/1/Actions/Other", 308, "status 308"},
		{"POST", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset", "/redfish/v1/", 302, "status 302"},
	} {
		s, c := serve(t, redfishtest.Options{})
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == tt.method && r.URL.Path == tt.path {
				w.Header().Set("Location", tt.to)
				w.WriteHeader(tt.status)
				return
			}
			next.ServeHTTP(w, r)
		})
		err := c.Do(t.Context(), pxepilot.ActionOn)
		if tt.want != "" {
			wants(t, err, tt.want)
		} else if err != nil {
			t.Errorf("%s %s to %s: %v", tt.method, tt.path, tt.to, err)
		}
	}
	if r := thief.Requests(); len(r) != 0 {
		t.Errorf("the other host was asked: %+v", r)
	}
}

// Paths that a BMC names are its own, or are not followed.
func TestPathsOfOthers(t *testing.T) {
	thief := redfishtest.New(redfishtest.Options{Plain: true})
	defer thief.Close()
	for _, path := range []string{
		thief.URL() + "/x", "@" + thief.Address() + "/", "//" + thief.Address() + "/x", "http://user@" + thief.Address(), "https://user:p@ss@bmc/", "\x7f://", "%zz", "data:,x",
	} {
		s, c := serve(t, redfishtest.Options{})
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path == "/redfish/v1/Systems" {
				json.NewEncoder(w).Encode(map[string]any{"Members": []any{map[string]any{"@odata.id": path}}})
				return
			}
			next.ServeHTTP(w, r)
		})
		_, err := c.State(t.Context())
		wants(t, err, "names a path that is not its own")
	}
	if r := thief.Requests(); len(r) != 0 {
		t.Errorf("the other host was asked: %+v", r)
	}
}

// Answers have bounds, in size and in time.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
	}{
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for block := make([]byte, 64<<10); r.Context().Err() == nil; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, "answers more than 1 MiB"},
		{"half a packet", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"PowerState":"O`))
		}, "hung up in the middle"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "hung up in the middle"},
		{"a drop now and then", func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-r.Context().Done():
					panic(http.ErrAbortHandler)
				case <-tick.C:
					w.Write([]byte(" "))
					w.(http.Flusher).Flush()
				}
			}
		}, "does not answer in time; check redfish.url and that the BMC runs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := serve(t, redfishtest.Options{})
			s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Path == "/redfish/v1/Systems/1" {
					tt.answer(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := c.State(ctx)
			wants(t, err, tt.want)
		})
	}
}

// An answer is not read further than its bound, however fast it comes.
func TestEndlessAnswerIsCutOff(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	written := make(chan int, 1)
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/redfish/v1/Systems/1" {
			next.ServeHTTP(w, r)
			return
		}
		sum, block := 0, make([]byte, 64<<10)
		for {
			n, err := w.Write(block)
			if sum += n; err != nil {
				written <- sum
				return
			}
		}
	})
	_, err := c.State(t.Context())
	wants(t, err, "answers more than 1 MiB")
	if sum := <-written; sum > 32<<20 { // what buffers on the way hold
		t.Errorf("%d bytes went through", sum)
	}
}

// A connection that came to nothing is not kept on being tried once nobody
// waits for it.
func TestNothingIsLeftOfADeadBMC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := redfish.New(redfish.Options{Name: "h2", URL: "https://" + l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.State(ctx)
	wants(t, err, "does not answer in time")
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	for url, want := range map[string]string{
		"https://" + address:          "refuses the connection; check the port in redfish.url",
		"https://bmc.invalid":         "its name cannot be resolved",
		"https://[2001:db8::1%zz]:80": "",
	} {
		c, err := redfish.New(redfish.Options{Name: "h2", URL: url})
		if err != nil {
			if want != "" {
				t.Error(err)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = c.State(ctx)
		cancel()
		// Without a name server, asking for a name is slow rather than wrong.
		if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "does not answer in time") ||
			pxepilot.ErrorCode(err) != pxepilot.Conflict {
			t.Errorf("%s: %v; want %q", url, err, want)
		}
		c.Close()
	}
}

// The service root is open to everybody: whoever refuses it is hardly a BMC.
func TestRootIsRefused(t *testing.T) {
	for status, want := range map[int]string{
		401: "status 401 Unauthorized); check that redfish.url is that of the BMC itself",
		412: "status 412 Precondition Failed); check that redfish.url is that of the BMC itself",
		429: "status 429 Too Many Requests; try again",
		500: "status 500",
	} {
		s, c := serve(t, redfishtest.Options{})
		s.InFront(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(status) })
		_, err := c.State(t.Context())
		wants(t, err, want)
	}
}
