// Package redfish drives machines over Redfish (DMTF DSP0266): the JSON over
// HTTPS that newer BMCs speak.
//
// How its pieces meet: a Controller (this file) says what is read and sent for
// each operation; system.go holds the few properties of a ComputerSystem that
// matter and finds the system; session.go sends a request with the session's
// token and logs in again when that was lost; http.go sends one bounded request
// to one host; trust.go decides which certificate is believed; errors.go makes
// one line of whatever went wrong.
//
// The well-known client for Go, gofish v0.23.0, is used in tests only, as a peer
// of redfishtest. As a driver it would have to be worked around for everything
// that is promised here: it appends the paths that a BMC names to the address as
// text ("@elsewhere/" takes the token elsewhere), reads answers without bound,
// drops Retry-After, sends a reset again on its own when the first is refused,
// and refuses a whole system for one odd property among a hundred that nobody
// asked for.
package redfish

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// Options say which system is driven, and how its service is reached.
type Options struct {
	Name     string                          // the host's, for messages
	URL      string                          // of the service: "https://bmc.example.com"
	Username string                          // empty for a service that asks for none
	Password func() (pxepilot.Secret, error) // asked at each login
	System   string                          // the Id of the system; empty for the only one

	// The certificate of the service is verified as those of web sites are,
	// unless one of these says otherwise.
	CAFile      string // PEM file of the authorities to believe instead
	Fingerprint string // SHA-256 of the certificate itself, in hexadecimal, with or without colons
	Insecure    bool   // believe any certificate, and allow http:
}

// A Controller drives one system. It keeps its session and its connection until
// Close; what is asked after that opens new ones. It is safe for concurrent use,
// and asks the BMC one thing at a time.
type Controller struct {
	name     string
	base     *url.URL
	username string
	password func() (pxepilot.Secret, error)
	wanted   string // the Id of the system
	client   *http.Client

	turn chan struct{} // holds one token: the right to use what is below
	root *root         // the service root, once it was read
	path string        // of the system, once it was found
	auth credentials   // of the session
}

// New checks the options; it does not talk to the BMC.
func New(o Options) (*Controller, error) {
	c := &Controller{
		name:     o.Name,
		username: o.Username,
		password: o.Password,
		wanted:   o.System,
		turn:     make(chan struct{}, 1),
	}
	var err error
	if c.base, err = baseOf(o); err != nil {
		return nil, err
	}
	trust, err := trustOf(o)
	if err != nil {
		return nil, err
	}
	c.client = newClient(trust)
	c.turn <- struct{}{}
	return c, nil
}

// baseOf reads the URL of the service.
func baseOf(o Options) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %s: redfish.url %s (want https://ADDRESS)", o.Name, why)
	}
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return bad("is no URL") // what the parser says may quote a password
	case u.User != nil:
		return bad("holds a user or a password; they go into redfish.username and redfish.password")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return bad(pxepilot.Quote(o.URL) + " is not the URL of a service")
	case u.Scheme == "http" && !o.Insecure:
		return bad(pxepilot.Quote(o.URL) + " would send the password in clear, which needs redfish.insecure: true")
	case u.RawQuery != "" || u.Fragment != "" || strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/redfish/v1") != "":
		return bad(pxepilot.Quote(o.URL) + " has a path, but every service is below /redfish/v1/")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: servicePath}, nil
}

// State reads the system's PowerState.
func (c *Controller) State(ctx context.Context) (pxepilot.PowerState, error) {
	state := pxepilot.PowerUnknown
	err := c.alone(ctx, func() error {
		s, err := c.readSystem(ctx)
		if err != nil {
			return err
		}
		state, err = s.power()
		return err
	})
	return state, err
}

// resetTypes are the ResetType values that stand for an action, the first one
// that the service offers. Nothing stands in for what is missing otherwise: a
// restart is no power cycle.
var resetTypes = map[pxepilot.PowerAction][]string{
	pxepilot.ActionOn:      {"On", "ForceOn"},
	pxepilot.ActionOff:     {"ForceOff"},
	pxepilot.ActionSoftOff: {"GracefulShutdown"},
	pxepilot.ActionCycle:   {"PowerCycle"},
	pxepilot.ActionReset:   {"ForceRestart"},
}

// Do posts the reset of that action.
func (c *Controller) Do(ctx context.Context, a pxepilot.PowerAction) error {
	types, ok := resetTypes[a]
	if !ok {
		return c.explain(ctx, unsupported("knows no power action %s", pxepilot.Quote(string(a))))
	}
	return c.alone(ctx, func() error { return c.reset(ctx, a, types) })
}

func (c *Controller) reset(ctx context.Context, a pxepilot.PowerAction, types []string) error {
	// Read anew each time: this finds out whether the session still holds
	// before anything is done, for afterwards it would be too late to log in
	// and try again.
	s, err := c.readSystem(ctx)
	if err != nil {
		return err
	}
	target := s.Actions.Reset.Target
	if target == "" {
		return unsupported("offers no reset of system %s", pxepilot.Quote(s.ID))
	}
	offered, err := c.offeredResets(ctx, s)
	if err != nil {
		return err
	}
	kind := types[0]
	if len(offered) > 0 {
		i := slices.IndexFunc(types, func(t string) bool { return slices.Contains(offered, t) })
		if i < 0 {
			return unsupported("offers no %s, which %s needs; it offers %s", types[0], a, list(offered))
		}
		kind = types[i]
	}
	post := request{method: http.MethodPost, path: target, body: map[string]string{"ResetType": kind}}
	_, err = c.ask(ctx, post)
	// No condition is sent at first, for services differ in whose ETag an action
	// would need. One that insists says that it did nothing.
	if refusedFor(err, http.StatusPreconditionFailed, http.StatusPreconditionRequired) {
		if s, rerr := c.readSystem(ctx); rerr == nil && s.ETag != "" {
			post.ifMatch = s.ETag
			_, err = c.ask(ctx, post)
		}
	}
	if no := refused(err); no != nil && no.status < 500 && c.isAlready(ctx, a) {
		return nil // some services refuse to switch on what is on
	}
	return err
}

// isAlready says whether the machine is as an action would leave it for good.
func (c *Controller) isAlready(ctx context.Context, a pxepilot.PowerAction) bool {
	want := pxepilot.PowerOff
	switch a {
	case pxepilot.ActionCycle, pxepilot.ActionReset:
		return false
	case pxepilot.ActionOn:
		want = pxepilot.PowerOn
	}
	s, err := c.readSystem(ctx)
	if err != nil {
		return false
	}
	state, err := s.power()
	return err == nil && state == want
}

var bootTargets = map[pxepilot.BootDevice]string{
	pxepilot.BootPXE:   "Pxe",
	pxepilot.BootDisk:  "Hdd",
	pxepilot.BootSetup: "BiosSetup",
}

var bootModes = map[pxepilot.Firmware]string{
	pxepilot.BIOS: "Legacy",
	pxepilot.UEFI: "UEFI",
}

// BootNext sets the boot source override of the system, for one boot.
func (c *Controller) BootNext(ctx context.Context, d pxepilot.BootDevice, f pxepilot.Firmware) error {
	target, ok := bootTargets[d]
	if !ok {
		return c.explain(ctx, unsupported("knows no boot device %s", pxepilot.Quote(string(d))))
	}
	mode, ok := bootModes[f]
	if !ok && f != "" {
		return c.explain(ctx, unsupported("knows no firmware %s", pxepilot.Quote(string(f))))
	}
	return c.alone(ctx, func() error { return c.override(ctx, target, mode) })
}

func (c *Controller) override(ctx context.Context, target, mode string) error {
	s, err := c.readSystem(ctx)
	if err != nil {
		return err
	}
	if offered := s.Boot.Targets; len(offered) > 0 && !slices.Contains(offered, target) {
		return unsupported("cannot boot %s next; it offers %s", target, list(offered))
	}
	boot := map[string]string{"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target}
	switch offered := s.Boot.Modes; {
	case mode == "", s.Boot.Mode == nil && len(offered) == 0:
		// Where the property is unknown (before ComputerSystem 1.1) there is
		// one mode only, or the machine's own setup decides.
	case len(offered) > 0 && !slices.Contains(offered, mode):
		return unsupported("cannot boot by %s; it offers %s", mode, list(offered))
	default:
		boot["BootSourceOverrideMode"] = mode
	}
	patch := request{method: http.MethodPatch, path: c.path, ifMatch: s.ETag, body: map[string]any{"Boot": boot}}
	_, err = c.ask(ctx, patch)
	if refusedFor(err, http.StatusPreconditionFailed, http.StatusPreconditionRequired) {
		// Something else about the system changed in between.
		if s, err = c.readSystem(ctx); err == nil {
			patch.ifMatch = s.ETag
			_, err = c.ask(ctx, patch)
		}
	}
	// Some services (iDRAC 10) take changes at the settings resource only, and
	// say that the system's own property is read-only.
	if later := s.settings(); later != "" && refusedFor(err, http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed) {
		if a, gerr := c.ask(ctx, request{method: http.MethodGet, path: later}); gerr == nil {
			patch.path, patch.ifMatch = later, a.etag
			_, err = c.ask(ctx, patch)
		}
	}
	return err
}

// Close ends the session, for BMCs have room for a few only.
func (c *Controller) Close() error {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	defer c.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	return c.explain(ctx, c.logout(ctx))
}

// alone runs f once it is its turn, and makes one line of its error.
func (c *Controller) alone(ctx context.Context, f func() error) error {
	select {
	case <-c.turn:
		defer func() { c.turn <- struct{}{} }()
	case <-ctx.Done():
		return c.explain(ctx, ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return c.explain(ctx, err)
	}
	return c.explain(ctx, f())
}
