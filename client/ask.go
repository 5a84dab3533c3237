package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// maxAnswer bounds the answers that are read: 64 MiB hold more than 100,000
// hosts, and no server can fill the memory of whoever asks it.
const maxAnswer = 64 << 20

// A request is one call of the API.
type request struct {
	method string
	path   []string // below /v1, one name each
	query  url.Values
	body   any           // nil for none, and else to be sent as JSON unless it is text
	prefer bool          // to be told what was done
	limit  time.Duration // of the default HTTP client, for the whole answer; 0 for none
}

// text is a body that is sent as it is.
type text string

// ask sends r and decodes the answer into answer, which is nil where the only
// one is that it was done.
func (c *Client) ask(ctx context.Context, r request, answer any) error {
	_, err := c.askHeader(ctx, r, answer)
	return err
}

// askHeader does what ask does, and returns the header of the answer.
func (c *Client) askHeader(ctx context.Context, r request, answer any) (http.Header, error) {
	req, err := c.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.limit > 0 && !c.own {
		limited, cancel := context.WithTimeout(ctx, r.limit)
		defer cancel()
		req = req.WithContext(limited)
	}
	began := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		err = c.unreachable(ctx, err)
		c.log.DebugContext(ctx, "no answer", "method", r.method, "url", req.URL.Redacted(), "error", err, "duration", time.Since(began))
		return nil, err
	}
	defer res.Body.Close()
	body, err := readAnswer(res.Body)
	c.log.DebugContext(ctx, "answer", "method", r.method, "url", req.URL.Redacted(), "status", res.StatusCode,
		"bytes", len(body), "duration", time.Since(began), "request_id", res.Header.Get("X-Request-Id"))
	switch {
	case errors.Is(err, errTooLarge):
		return nil, fmt.Errorf("%s %s: %w", r.method, req.URL.Redacted(), err)
	case err != nil:
		return nil, c.unreachable(ctx, fmt.Errorf("the answer broke off: %w", err))
	case res.StatusCode >= http.StatusMultipleChoices:
		return nil, refusal(res, body)
	case res.StatusCode == http.StatusNoContent:
		return res.Header, nil // a server need not honour Prefer (RFC 7240, section 2)
	}
	if answer == nil {
		return nil, fmt.Errorf("%s %s: the answer is not PXE Pilot's (%s); is the address right?", r.method, req.URL.Redacted(), status(res))
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return nil, fmt.Errorf("%s %s: the answer is not PXE Pilot's (%w); is the address right?", r.method, req.URL.Redacted(), err)
	}
	return res.Header, nil
}

// prepare makes the HTTP request. Each name is escaped into one segment of the
// path. The names that cannot be one, because proxies and servers resolve them
// even when they are escaped (RFC 3986, section 6.2.2), are refused as the
// server would.
func (c *Client) prepare(ctx context.Context, r request) (*http.Request, error) {
	u := c.server
	u.Path += "/v1"
	u.RawPath += "/v1"
	for _, name := range r.path {
		if name == "" || name == "." || name == ".." {
			return nil, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("%s is not a name", pxepilot.Quote(name))}
		}
		u.Path += "/" + name
		u.RawPath += "/" + url.PathEscape(name)
	}
	u.RawQuery = r.query.Encode()
	var body io.Reader
	kind := "application/json"
	switch b := r.body.(type) {
	case nil:
	case text:
		body, kind = strings.NewReader(string(b)), "text/plain; charset=utf-8"
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "", body)
	if err != nil {
		return nil, err
	}
	// Set apart, for parsing the text again would lose the escapes of RawPath.
	req.URL, req.Host = &u, u.Host
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if r.body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if r.prefer {
		req.Header.Set("Prefer", "return=representation")
	}
	return req, nil
}

// unreachable wraps err, unless it was the caller who gave up.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var wrapped *url.Error // names the method and the URL, which UnreachableError does
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("gave up asking %s: %w", c.address(), err)
	}
	return &UnreachableError{Server: c.address(), Err: err}
}

func (c *Client) address() string { return strings.TrimRight(c.server.Redacted(), "/") }

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)

func readAnswer(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if len(body) > maxAnswer {
		return nil, errTooLarge
	}
	return body, err
}
