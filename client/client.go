package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// DefaultServer is where a server listens that was told nothing else.
const DefaultServer = "http://localhost:3478"

// A Client asks one server. It may be used by several goroutines.
type Client struct {
	server url.URL
	http   *http.Client
	own    bool // http was given by WithHTTPClient, time limits and all
	log    *slog.Logger
	agent  string
}

// An Option changes how a Client asks.
type Option func(*Client)

// WithHTTPClient replaces the HTTP client, such as for TLS of one's own, or for
// other time limits than the default's: a minute, two for what drives machines or
// asks TFTP servers, a quarter of an hour for what switches links, and none for
// Discover. A client of http.DefaultClient's kind follows redirects
// of GET; the default one follows none.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http, c.own = h, true } }

// WithLogger tells of each request at level debug: method, URL, status, size,
// duration and request id, never a body.
func WithLogger(l *slog.Logger) Option { return func(c *Client) { c.log = l } }

// WithUserAgent replaces the User-Agent.
func WithUserAgent(agent string) Option { return func(c *Client) { c.agent = agent } }

// New makes a client of the server at a URL such as "http://localhost:3478",
// which is the default where server is empty. The scheme may be left out, and a
// path may follow where the server is behind a reverse proxy. Nothing is sent.
func New(server string, opts ...Option) (*Client, error) {
	u, err := parseServer(server)
	if err != nil {
		return nil, err
	}
	c := &Client{server: *u, http: newHTTPClient(), log: slog.New(slog.DiscardHandler), agent: "pxe-pilot-client"}
	for _, opt := range opts {
		opt(c)
	}
	return c, nil
}

func parseServer(server string) (*url.URL, error) {
	if server == "" {
		server = DefaultServer
	}
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	// What url.Parse says quotes its input, which may hold a password.
	const want = "want a URL such as " + DefaultServer
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the server's address is not a URL; %s", want)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the server's address begins with %s; %s", pxepilot.Quote(u.Scheme+"://"), want)
	case u.Hostname() == "":
		return nil, fmt.Errorf("the server's address names no host; %s", want)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("the server's address has a query or a fragment; %s", want)
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// newHTTPClient honours the proxies of the environment (never for loopback, as
// net/http does) and follows no redirects: a 301 would turn a PUT into a GET
// that changes nothing and looks well.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// How long the whole answer may take.
const (
	// The server waits at most 5 s for another writer, and a switch of 100,000
	// hosts takes seconds: a minute is ample on any network.
	ordinary = time.Minute
	// The server gives BMCs a minute, and TFTP servers one.
	driving = 2 * time.Minute
	// After a switch comes what the site has to do then, such as pushing it to
	// replicas: five minutes, and as much again where it is under way for somebody
	// else. TFTP servers and BMCs come on top.
	switching = 15 * time.Minute
	// A sweep takes as long as its subnets are large. A server that is gone is
	// noticed by TCP.
	unlimited = 0
)

// Configurations lists the boot configurations, sorted by name.
func (c *Client) Configurations(ctx context.Context) ([]apiv1.Configuration, error) {
	var answer apiv1.Configurations
	err := c.ask(ctx, request{method: http.MethodGet, path: []string{"configurations"}, limit: ordinary}, &answer)
	return answer.Configurations, err
}

// Configuration returns the content of a boot configuration: of all its
// variants, or of the one for bootloader where that is not empty.
func (c *Client) Configuration(ctx context.Context, name, bootloader string) (*apiv1.ConfigurationContent, error) {
	r := request{method: http.MethodGet, path: []string{"configurations", name}, limit: ordinary}
	if bootloader != "" {
		r.query = url.Values{"bootloader": {bootloader}}
	}
	return answerTo[apiv1.ConfigurationContent](ctx, c, r)
}

// Deploy makes hosts boot a configuration from now on: all of them, or none
// where one is refused, unless change.SkipRefused is set.
func (c *Client) Deploy(ctx context.Context, configuration string, change apiv1.Change) (*apiv1.Outcome, error) {
	return c.change(ctx, change, "configurations", configuration, "deploy")
}

// Clear removes the links of hosts, which then fall back to what their loaders
// do by default; that is not the same as booting from their disks.
func (c *Client) Clear(ctx context.Context, change apiv1.Change) (*apiv1.Outcome, error) {
	return c.change(ctx, change, "clear")
}

// Repair brings the links of hosts into canonical shape without changing what
// they boot. change.All stands for every host.
func (c *Client) Repair(ctx context.Context, change apiv1.Change) (*apiv1.Outcome, error) {
	return c.change(ctx, change, "repair")
}

func (c *Client) change(ctx context.Context, change apiv1.Change, path ...string) (*apiv1.Outcome, error) {
	return answerTo[apiv1.Outcome](ctx, c, request{method: http.MethodPut, path: path, body: change, prefer: true, limit: switching})
}

// Undo brings hosts back to what they were set to before an entry of the history:
// all of them, or none where one was switched since, unless u.Force is set.
func (c *Client) Undo(ctx context.Context, u apiv1.Undo) (*apiv1.Outcome, error) {
	return answerTo[apiv1.Outcome](ctx, c, request{method: http.MethodPut, path: []string{"undo"}, body: u, prefer: true, limit: switching})
}

// History tells what happened, the latest first.
func (c *Client) History(ctx context.Context, o apiv1.HistoryOptions) (*apiv1.History, error) {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			query.Set(name, value)
		}
	}
	path := []string{"history"}
	if o.Host != "" {
		path = []string{"hosts", o.Host, "history"}
	}
	set("since", o.Since)
	set("actor", o.Actor)
	set("before", strconv.FormatInt(o.Before, 10))
	set("limit", strconv.Itoa(o.Limit))
	return answerTo[apiv1.History](ctx, c, request{method: http.MethodGet, path: path, query: query, limit: ordinary})
}

// HistoryEntry tells all of one entry.
func (c *Client) HistoryEntry(ctx context.Context, id int64) (*apiv1.Entry, error) {
	return answerTo[apiv1.Entry](ctx, c, request{method: http.MethodGet, path: []string{"history", strconv.FormatInt(id, 10)}, limit: ordinary})
}

// Armings lists what is armed: hosts that boot once what they boot, until their
// installers are done or their time is over.
func (c *Client) Armings(ctx context.Context) ([]apiv1.Arming, error) {
	var answer apiv1.Armings
	err := c.ask(ctx, request{method: http.MethodGet, path: []string{"armings"}, limit: ordinary}, &answer)
	return answer.Armings, err
}

// Disarm has hosts boot for good what they boot once, and returns what ended.
func (c *Client) Disarm(ctx context.Context, hosts ...string) ([]apiv1.Arming, error) {
	var answer apiv1.Armings
	d := apiv1.Disarm{}
	for _, name := range hosts {
		d.Hosts = append(d.Hosts, apiv1.HostRef{Name: name})
	}
	err := c.ask(ctx, request{method: http.MethodPut, path: []string{"disarm"}, body: d, prefer: true, limit: ordinary}, &answer)
	return answer.Armings, err
}

// Self tells the machine that asks of itself.
func (c *Client) Self(ctx context.Context, o apiv1.SelfOptions) (*apiv1.Self, error) {
	return answerTo[apiv1.Self](ctx, c, request{method: http.MethodGet, path: []string{"self"}, query: aboutSelf(o), limit: ordinary})
}

// Done says that the installer of the machine that asks is done.
func (c *Client) Done(ctx context.Context, o apiv1.SelfOptions) (*apiv1.Self, error) {
	return answerTo[apiv1.Self](ctx, c, request{method: http.MethodPost, path: []string{"self", "done"}, query: aboutSelf(o), limit: switching})
}

// Failed says that it failed, why, and with what log, of which the server keeps the
// last 64 KiB.
func (c *Client) Failed(ctx context.Context, o apiv1.SelfOptions, reason, log string) (*apiv1.Self, error) {
	query := aboutSelf(o)
	if reason != "" {
		query.Set("reason", reason)
	}
	return answerTo[apiv1.Self](ctx, c, request{method: http.MethodPost, path: []string{"self", "failed"}, query: query, body: text(log), limit: ordinary})
}

func aboutSelf(o apiv1.SelfOptions) url.Values {
	query := url.Values{}
	if o.Host != "" {
		query.Set("host", o.Host)
	}
	if o.Generation != 0 {
		query.Set("generation", strconv.FormatUint(o.Generation, 10))
	}
	return query
}

// Hosts lists all hosts in the order of the configuration file.
func (c *Client) Hosts(ctx context.Context) ([]apiv1.Host, error) {
	return c.hosts(ctx, nil)
}

// HostsWithoutPower lists them without what is known of their power, so that no
// BMC is asked.
func (c *Client) HostsWithoutPower(ctx context.Context) ([]apiv1.Host, error) {
	return c.hosts(ctx, url.Values{"status": {"false"}})
}

func (c *Client) hosts(ctx context.Context, query url.Values) ([]apiv1.Host, error) {
	var hosts []apiv1.Host
	err := c.ask(ctx, request{method: http.MethodGet, path: []string{"hosts"}, query: query, limit: ordinary}, &hosts)
	return hosts, err
}

// Host tells about one host, named by its name or one of its MAC addresses.
func (c *Client) Host(ctx context.Context, name string) (*apiv1.Host, error) {
	return answerTo[apiv1.Host](ctx, c, request{method: http.MethodGet, path: []string{"hosts", name}, limit: ordinary})
}

// Explain tells what a host will boot, and why. With verify the server also asks
// its TFTP servers for it, as the machine would.
func (c *Client) Explain(ctx context.Context, name string, verify bool) (*apiv1.Explanation, error) {
	r := request{method: http.MethodGet, path: []string{"hosts", name, "explain"}, limit: ordinary}
	if verify {
		r.query, r.limit = url.Values{"verify": {"true"}}, driving
	}
	return answerTo[apiv1.Explanation](ctx, c, r)
}

// Power asks a host's BMC now whether the host is on.
func (c *Client) Power(ctx context.Context, name string) (*apiv1.Power, error) {
	return answerTo[apiv1.Power](ctx, c, request{method: http.MethodGet, path: []string{"hosts", name, "power"}, limit: driving})
}

// PowerAction drives the power of a host: "on", "off", "reboot" or "cycle". It
// returns once the host is on or off. Where a reset, a cycle or a soft off was
// accepted, or what nothing can look at as by Wake-on-LAN, that is all that is
// known of it, and accepted is true.
func (c *Client) PowerAction(ctx context.Context, name, action string, o apiv1.PowerOptions) (accepted bool, err error) {
	query := url.Values{}
	if o.Soft {
		query.Set("soft", "true")
	}
	if o.Next != "" {
		query.Set("next", o.Next)
	}
	header, err := c.askHeader(ctx, request{method: http.MethodPatch, path: []string{"hosts", name, action}, query: query, limit: driving}, nil)
	return err == nil && header.Get(apiv1.PowerResult) == apiv1.ResultAccepted, err
}

// Discover sweeps the subnets of the configuration file for BMCs, at most rate
// packets a second, or as many as the server chooses where rate is 0. It takes
// as long as the subnets are large. A subnet that could not be swept is no
// error; its Problem tells.
func (c *Client) Discover(ctx context.Context, rate int) (*apiv1.Discovery, error) {
	r := request{method: http.MethodPatch, path: []string{"discovery"}, prefer: true, limit: unlimited}
	if rate != 0 {
		r.query = url.Values{"rate": {strconv.Itoa(rate)}}
	}
	return answerTo[apiv1.Discovery](ctx, c, r)
}

// DiscoveryProgress tells how far a sweep is that Discover waits for.
func (c *Client) DiscoveryProgress(ctx context.Context) (*apiv1.DiscoveryProgress, error) {
	return answerTo[apiv1.DiscoveryProgress](ctx, c, request{method: http.MethodGet, path: []string{"discovery"}, limit: ordinary})
}

// Bootloaders lists the declared bootloaders.
func (c *Client) Bootloaders(ctx context.Context) ([]apiv1.Bootloader, error) {
	var answer apiv1.Bootloaders
	err := c.ask(ctx, request{method: http.MethodGet, path: []string{"bootloaders"}, limit: ordinary}, &answer)
	return answer.Bootloaders, err
}

// Health tells what is wrong with the server's site as a whole.
func (c *Client) Health(ctx context.Context) (*apiv1.Health, error) {
	return answerTo[apiv1.Health](ctx, c, request{method: http.MethodGet, path: []string{"health"}, limit: ordinary})
}

func answerTo[T any](ctx context.Context, c *Client, r request) (*T, error) {
	answer := new(T)
	if err := c.ask(ctx, r, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
