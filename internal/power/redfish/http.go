package redfish

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// mostBytes bounds an answer. The largest system resources have some 100 kB.
const mostBytes = 1 << 20

// A request is one HTTP request to a path of the service.
type request struct {
	method  string
	path    string // as the service named it
	body    any
	ifMatch string
}

// An answer is what a request that was accepted got.
type answer struct {
	path     string // that was asked
	header   http.Header
	etag     string
	location string // path of the resource that was made, if it is the service's own
	body     []byte
	secrets  []string // that no message about it may show
}

// newClient makes a client for one BMC: no proxy, no cookies, and redirects as
// sameHost allows them. The transport sends again by itself only what can be
// read twice, or what never left (net/http, Transport).
func newClient(trust *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        trust,
			TLSHandshakeTimeout:    30 * time.Second,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // some servers change the ETag of what they compress
		},
		CheckRedirect: sameHost,
	}
}

// sameHost follows redirects of what is only read, and only those that stay
// with the host: the token is for nobody else, and an action that is sent on
// would be sent twice. Others become answers, and errors.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	const most = 4
	if first.Method != http.MethodGet || len(via) > most ||
		next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host || next.URL.User != nil {
		return http.ErrUseLastResponse
	}
	return nil
}

// resolve makes a URL of a path that the service named. It has to be the
// service's own.
func (c *Controller) resolve(path string) (*url.URL, bool) {
	u, err := c.base.Parse(path)
	if err != nil || path == "" || u.Scheme != c.base.Scheme || u.Host != c.base.Host || u.User != nil {
		return nil, false
	}
	return u, true
}

// send sends one request, once. Any status but those of success is an error of
// type *statusError.
func (c *Controller) send(ctx context.Context, r request, auth credentials) (*answer, error) {
	u, ok := c.resolve(r.path)
	if !ok {
		return nil, says("names a path that is not its own: %s", pxepilot.Quote(r.path))
	}
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if auth.header != "" {
		req.Header.Set(auth.header, auth.value)
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	a, err := c.exchange(req, auth.hidden())
	var no *statusError
	if err != nil && !errors.As(err, &no) {
		// A connection that failed, or a dial that nobody waits for any more,
		// is not kept.
		c.client.CloseIdleConnections()
	}
	return a, err
}

// exchange sends the request and reads the answer within its bounds.
func (c *Controller) exchange(req *http.Request, secrets []string) (*answer, error) {
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > mostBytes {
		return nil, says("answers more than %d MiB at %s", mostBytes>>20, pxepilot.Quote(req.URL.Path))
	}
	a := &answer{path: req.URL.Path, header: resp.Header, etag: resp.Header.Get("ETag"), body: data, secrets: secrets}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
	default:
		return nil, refusalOf(resp, a)
	}
	if u, ok := c.resolve(resp.Header.Get("Location")); ok {
		a.location = u.RequestURI()
	}
	return a, nil
}
