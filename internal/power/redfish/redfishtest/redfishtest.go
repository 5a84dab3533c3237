// Package redfishtest is a Redfish service for tests: systems that can be
// switched, reset and told what to boot next, behind sessions, ETags and TLS,
// as DSP0266 describes them. A Handler that is put in front of it makes it fail
// in whatever way a test needs.
package redfishtest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
)

// Options say what kind of service it is. The zero value is a well-behaved one
// with TLS, one system and no users.
type Options struct {
	Username, Password string // who is let in; an empty user asks nobody

	Systems    []string // their Ids; "1" if none is given
	Resets     []string // the reset types that are offered; those of Resets if none are given
	ActionInfo bool     // they are told by a resource of their own
	Untold     bool     // they are not told at all
	Picky      bool     // what would change nothing is refused
	Settings   bool     // the boot override is set at the settings resource only

	MostSessions int  // that can be open at once; 0 for any number
	NoSessions   bool // the password is sent with each request, or not at all
	NoETags      bool // changes need no condition
	Conditional  bool // actions need one, too

	Plain       bool             // http instead of https
	Certificate *tls.Certificate // in place of the one for 127.0.0.1 and example.com
}

// Resets are the reset types that are offered by default.
var Resets = []string{"On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "PowerCycle"}

// A Request is what was asked, as far as tests look at it.
type Request struct {
	Method, Path string
	IfMatch      string
	Credentials  bool // the request carried a token or a password
	Body         string
}

// A Server is a running service.
type Server struct {
	options Options
	http    *httptest.Server

	mu       sync.Mutex
	front    func(http.ResponseWriter, *http.Request, http.Handler)
	systems  []*System
	sessions map[string]string // token -> path
	made     int               // sessions, ever
	requests []Request
}

// A System is one machine of the service.
type System struct {
	server  *Server
	id      string
	state   string // PowerState
	version int    // of the ETag
	actions []string
	boot    Boot
}

// Boot is the boot source override.
type Boot struct{ Enabled, Target, Mode string }

// New starts a service.
func New(o Options) *Server {
	if len(o.Systems) == 0 {
		o.Systems = []string{"1"}
	}
	if len(o.Resets) == 0 {
		o.Resets = Resets
	}
	s := &Server{options: o, sessions: map[string]string{}}
	for _, id := range o.Systems {
		s.systems = append(s.systems, &System{server: s, id: id, state: "Off", version: 1,
			boot: Boot{"Disabled", "None", "UEFI"}})
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	// Clients that hang up on purpose are no news.
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	switch {
	case o.Plain:
		s.http.Start()
	default:
		if o.Certificate != nil {
			s.http.TLS = &tls.Config{Certificates: []tls.Certificate{*o.Certificate}, MinVersion: tls.VersionTLS12}
		}
		s.http.StartTLS()
	}
	return s
}

// Close stops the service. Requests that are still running are cut off.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// URL is where the service is.
func (s *Server) URL() string { return s.http.URL }

// Address is the same without the scheme.
func (s *Server) Address() string { return s.http.Listener.Addr().String() }

// Certificate is the certificate that the service shows, nil without TLS.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// System is the system of that Id, or the first one for an empty Id.
func (s *Server) System(id string) *System {
	i := slices.IndexFunc(s.systems, func(y *System) bool { return y.id == id || id == "" })
	return s.systems[i]
}

// InFront puts a handler in front of the service; next is the service itself.
func (s *Server) InFront(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.front = f
}

// Hang answers nothing until the client has gone, and nothing then. A handler
// that merely returned would have an answer sent, which may still be read.
func Hang(r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// Forget loses all sessions, as a restart of a BMC does.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// Sessions is how many sessions are open, and how many were ever made.
func (s *Server) Sessions() (open, made int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions), s.made
}

// Requests are those that came so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Disconnect closes all connections that are open.
func (s *Server) Disconnect() { s.http.CloseClientConnections() }

// IsOn says whether the machine runs.
func (y *System) IsOn() bool {
	y.server.mu.Lock()
	defer y.server.mu.Unlock()
	return y.state == "On"
}

// Press switches the machine by its own button.
func (y *System) Press(on bool) {
	y.Become(map[bool]string{true: "On", false: "Off"}[on])
}

// Become sets what PowerState says; empty means null.
func (y *System) Become(state string) {
	y.server.mu.Lock()
	defer y.server.mu.Unlock()
	y.state = state
	y.version++
}

// Touch changes the system's ETag, as whatever else happens on it does.
func (y *System) Touch() {
	y.server.mu.Lock()
	defer y.server.mu.Unlock()
	y.version++
}

// Actions are the reset types that were carried out, in order.
func (y *System) Actions() []string {
	y.server.mu.Lock()
	defer y.server.mu.Unlock()
	return slices.Clone(y.actions)
}

// Boot is the boot source override as it is set now.
func (y *System) Boot() Boot {
	y.server.mu.Lock()
	defer y.server.mu.Unlock()
	return y.boot
}

// serve notes a request and gives it to whoever is in front.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Path: r.URL.Path, IfMatch: r.Header.Get("If-Match"), Body: string(body),
		Credentials: r.Header.Get("X-Auth-Token")+r.Header.Get("Authorization") != "",
	})
	front := s.front
	s.mu.Unlock()
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, body) })
	if front != nil {
		front(w, r, next)
		return
	}
	next(w, r)
}

func (y *System) path() string { return "/redfish/v1/Systems/" + y.id }

func (y *System) etag() string { return fmt.Sprintf(`"%s-%d"`, y.id, y.version) }
