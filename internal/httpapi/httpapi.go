// Package httpapi serves API v1 over HTTP. It only translates: what may be done
// to a host is decided in pilot.
//
// routes.go shows the whole API on one page. Handlers return errors; answer.go
// turns them into JSON by one table, gives each request an id and logs it once.
// guard.go keeps out web pages, for the API has no passwords. json.go reads the
// bodies, strictly and with positions; hosts.go writes the one large answer, and
// explain.go the one that explains, history.go what happened. self.go hears machines
// that speak for themselves, whom caller.go tells by their connections. power.go waits for machines, longer than the
// server would let a client. files.go gives machines what they boot.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A Pilot is what the API translates to; *pilot.Pilot is one.
type Pilot interface {
	Configurations(context.Context) ([]pxepilot.Configuration, error)
	Configuration(ctx context.Context, name, bootloader string) ([]pxepilot.Variant, error)
	Bootloaders() (loaders []pxepilot.Bootloader, declared bool)
	Hosts(context.Context) (*pxepilot.View, error)
	Host(ctx context.Context, ref string) (*pxepilot.HostStatus, error)
	Explain(ctx context.Context, ref string, verify bool) (*pxepilot.Explanation, error)
	Change(context.Context, pilot.Change) (*pilot.Outcome, error)
	History(context.Context, pxepilot.Question) ([]pxepilot.Entry, error)
	Undo(context.Context, pilot.Undo) (*pilot.Outcome, error)
	Armings() *pxepilot.ArmedView
	Armed(context.Context) (*pxepilot.ArmedView, error)
	Disarm(ctx context.Context, hosts []pilot.HostRef, by pilot.Actor) ([]pxepilot.Arming, error)
	Speaker(pxepilot.MAC) (*pxepilot.Host, error)
	Self(context.Context, pilot.Callback) (*pilot.Self, error)
	Finish(context.Context, pilot.Callback) (*pilot.Self, error)
	Fail(ctx context.Context, c pilot.Callback, reason, log string) (*pilot.Self, error)
	Powers(context.Context) *pxepilot.PowerView
	Power(ctx context.Context, ref string) (*pilot.PowerStatus, error)
	Addresses() *pxepilot.PowerView
	Drive(ctx context.Context, ref string, o pilot.Order) (accepted bool, err error)
	Discover(ctx context.Context, rate int) (*pilot.Discovery, error)
	Sweeping() (at pxepilot.SweepProgress, running bool)
	Health(context.Context) pilot.Health
	Boot(ctx context.Context, mac, bootloader string) (pilot.Given, error)
	File(ctx context.Context, path string) (pilot.Given, error)
	Fetched(host string, f pilot.Fetch)
	LastFetch(host string) (pilot.Fetch, bool)
}

// Options are what the API needs to know of its surroundings.
type Options struct {
	Logger       *slog.Logger    // one line for each request; nil for none
	AllowedHosts func() []string // names that the server may be asked by, as configured now; nil for none
	Hostname     string          // of the machine, as os.Hostname tells
	Boot         func() bool     // whether machines get what they boot, as configured now; nil for always
}

// New makes the handler of the API and of the files for machines. It answers JSON,
// errors included, whatever the path is, unless that is for machines.
func New(p Pilot, o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Boot == nil {
		o.Boot = func() bool { return true }
	}
	a := &api{pilot: p, log: o.Logger, guard: newGuard(o.Hostname, o.AllowedHosts), boots: o.Boot}
	a.mux = a.newMux()
	return a
}

type api struct {
	pilot Pilot
	log   *slog.Logger
	guard guard
	boots func() bool
	mux   *http.ServeMux
	hosts struct{ powered, bare hostsBody } // the list with what is known of their power, and without
}

// writeTimeout is how long an answer may take, or the next 32 KiB of a file. It is
// counted from the end of the headers, or from where the machines are done: the
// body, at most 5 s for another writer's lock, the change, and 50 MB (100,000 hosts)
// at 8 Mbit/s.
const writeTimeout = 2 * time.Minute

// Server makes a server that no client can hold up. The caller listens, serves
// and shuts down.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h,
		// A client that dribbles its headers holds a connection no longer.
		ReadHeaderTimeout: 10 * time.Second,
		// A body of the largest size, 8 MiB, gets through at 1.2 Mbit/s.
		ReadTimeout:  time.Minute,
		WriteTimeout: writeTimeout,
		// Longer than the 90 s of Go's clients, so that it is they who close, and
		// never while they send the next request.
		IdleTimeout: 2 * time.Minute,
		// Names of 10 kB, percent-encoded, still get an answer that says what is
		// wrong with them; a megabyte of headers (net/http's default) is nobody's.
		MaxHeaderBytes: 64 << 10,
		// "OPTIONS *" gets a request id and a line in the log like all others.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
