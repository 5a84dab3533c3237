package redfish_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

func sessions(t *testing.T, s *redfishtest.Server, open, made int) {
	t.Helper()
	if o, m := s.Sessions(); o != open || m != made {
		t.Errorf("%d sessions are open and %d were made; want %d and %d", o, m, open, made)
	}
}

func isOn(t *testing.T, c *redfish.Controller, want pxepilot.PowerState) {
	t.Helper()
	if got, err := c.State(t.Context()); got != want || err != nil {
		t.Errorf("State = %q, %v; want %q", got, err, want)
	}
}

// One session and one look-up serve for everything until Close, which ends it.
func TestSessionIsKept(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	for range 5 {
		isOn(t, c, pxepilot.PowerOff)
	}
	sessions(t, s, 1, 1)
	const system = "/redfish/v1/Systems/1"
	if diff := cmp.Diff([]string{"/redfish/v1/", "/redfish/v1/Systems", system, system, system, system, system},
		asked(s, http.MethodGet)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	sessions(t, s, 0, 1)
	isOn(t, c, pxepilot.PowerOff)
	sessions(t, s, 1, 2)
}

// A connection that the BMC closed while nobody asked is opened again.
func TestConnectionIsLost(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	for range 3 {
		if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
			t.Error(err)
		}
		s.Disconnect()
	}
	sessions(t, s, 1, 1)
}

// A session that is lost between the look at the system and the action is told,
// and the action not sent again.
func TestSessionIsLostBeforeTheAction(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isReset(r) {
			s.Forget()
		}
		next.ServeHTTP(w, r)
	})
	s.System("").Press(true)
	wants(t, c.Do(t.Context(), pxepilot.ActionReset), "lost the session before it acted; nothing was done, try again")
	if n := len(asked(s, http.MethodPost)); n != 2 {
		t.Errorf("posted %d times", n)
	}
	s.InFront(nil)
	if err := c.Do(t.Context(), pxepilot.ActionReset); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"ForceRestart"}, s.System("").Actions()); diff != "" {
		t.Error(diff)
	}
}

// An override may be set twice, and so it is sent again in a new session.
func TestSessionIsLostBeforeTheOverride(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	first := true
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && first {
			first = false
			s.Forget()
		}
		next.ServeHTTP(w, r)
	})
	if err := c.BootNext(t.Context(), pxepilot.BootPXE, ""); err != nil {
		t.Error(err)
	}
	if got := s.System("").Boot().Target; got != "Pxe" {
		t.Errorf("boots %s", got)
	}
}

// A service that accepts no session of its own making is not asked for ever.
func TestSessionsThatDoNotWork(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		s.Forget()
		next.ServeHTTP(w, r)
	})
	_, err := c.State(t.Context())
	wants(t, err, `opens a session for user "user" and then does not accept it`, "check the user's role")
	if _, made := s.Sessions(); made != 2 {
		t.Errorf("%d sessions were made", made)
	}
}

func TestCredentials(t *testing.T) {
	for _, tt := range []struct {
		name               string
		options            redfishtest.Options
		username, password string
		want               string
	}{
		{"session", redfishtest.Options{}, "user", "hunter2", ""},
		{"no sessions", redfishtest.Options{NoSessions: true}, "user", "hunter2", ""},
		{"wrong password", redfishtest.Options{}, "user", "hunter22", `refuses user "user" or the password (POST`},
		{"wrong user", redfishtest.Options{}, "resu", "hunter2", `refuses user "resu" or the password (POST`},
		{"wrong password without sessions", redfishtest.Options{NoSessions: true}, "user", "hunter22", "check redfish.username and redfish.password"},
		{"no user", redfishtest.Options{}, "", "", "wants a user and a password; set redfish.username and redfish.password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Username, tt.options.Password = "user", "hunter2"
			s := redfishtest.New(tt.options)
			defer s.Close()
			c := open(t, s, redfish.Options{Username: tt.username, Password: fixed(tt.password)})
			defer c.Close()
			_, err := c.State(t.Context())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, tt.want)
		})
	}
}

// The root of a service is open to everybody, and so it gets no password.
func TestNothingIsShownUnasked(t *testing.T) {
	for _, o := range []redfishtest.Options{{}, {NoSessions: true}} {
		s, c := serve(t, o)
		isOn(t, c, pxepilot.PowerOff)
		if r := s.Requests()[0]; r.Credentials || r.Body != "" || r.Path != "/redfish/v1/" {
			t.Errorf("%+v", r)
		}
	}
}

// All sessions are taken: that passes.
func TestNoRoomForASession(t *testing.T) {
	s, other := serve(t, redfishtest.Options{MostSessions: 1})
	isOn(t, other, pxepilot.PowerOff)
	c := open(t, s, redfish.Options{Username: "user", Password: fixed("hunter2")})
	defer c.Close()
	_, err := c.State(t.Context())
	wants(t, err, "status 503", "The session establishment failed due to the number", "try again in 30 s")
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	isOn(t, c, pxepilot.PowerOff)
}

// The password may change while the program runs, and its file may be gone.
func TestPasswordIsAskedAtEachLogin(t *testing.T) {
	o := redfishtest.Options{Username: "user", Password: "hunter2"}
	s := redfishtest.New(o)
	defer s.Close()
	password, err := pxepilot.NewSecret("hunter1"), error(nil)
	c := open(t, s, redfish.Options{Username: "user", Password: func() (pxepilot.Secret, error) { return password, err }})
	defer c.Close()
	_, got := c.State(t.Context())
	wants(t, got, "refuses user")
	password = pxepilot.NewSecret("hunter2")
	isOn(t, c, pxepilot.PowerOff)

	s.Forget()
	err = errors.New("open bmc.pass: no such file or directory")
	_, got = c.State(t.Context())
	wants(t, got, "its password cannot be read: open bmc.pass: no such file or directory")
	err = nil
	isOn(t, c, pxepilot.PowerOff)
}

// A BMC that quotes what it refuses shows no password here, in whatever form.
func TestEchoedSecrets(t *testing.T) {
	const password = `hun"ter\2é`
	s := redfishtest.New(redfishtest.Options{Username: "user", Password: password})
	defer s.Close()
	echo := map[string]string{}
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if reply, ok := echo[r.Method+" "+r.URL.Path]; ok {
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(strings.ReplaceAll(reply, "TOKEN", r.Header.Get("X-Auth-Token"))))
			return
		}
		next.ServeHTTP(w, r)
	})
	c := open(t, s, redfish.Options{Username: "user", Password: fixed(password)})
	defer c.Close()
	const login, system = "POST /redfish/v1/SessionService/Sessions", "GET /redfish/v1/Systems/1"
	for _, tt := range []struct{ where, reply, want string }{
		{login, `{"error":{"message":"bad value hun\"ter\\2é"}}`, `"bad value ***"`},
		{login, `{"error":{"@Message.ExtendedInfo":[{"Message":"got {\"Password\":\"hun\\\"ter\\\\2é\"}"}]}}`, `***`},
		{system, `{"error":{"message":"no TOKEN, no hun\"ter\\2é"}}`, `"no ***, no ***"`},
	} {
		clear(echo)
		echo[tt.where] = tt.reply
		_, err := c.State(t.Context())
		wants(t, err, tt.want)
		if text := err.Error(); strings.Contains(text, "ter") && strings.Contains(text, "hun") {
			t.Errorf("%s", text)
		}
	}
}
