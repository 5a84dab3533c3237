package redfish

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// farewell is how long a BMC may take to end a session. One that has gone
// forgets it by itself.
const farewell = time.Second

// credentials are the header that proves who asks; without one it is nobody.
type credentials struct {
	header, value string
	session       string          // path of the session resource, to end it
	secrets       func() []string // what no message may show; behind a function as pxepilot.Secret is
}

// hidden are the texts that no message may show.
func (a credentials) hidden() []string {
	if a.secrets == nil {
		return nil
	}
	return a.secrets()
}

// ask sends a request within the session, and opens one first where there is
// none. A session that was lost is opened anew for what may be asked twice:
// reading, and setting a property to the same value again. An action is not.
func (c *Controller) ask(ctx context.Context, r request) (*answer, error) {
	if err := c.login(ctx); err != nil {
		return nil, err
	}
	a, err := c.send(ctx, r, c.auth)
	if !refusedFor(err, http.StatusUnauthorized) {
		return a, err
	}
	before := c.auth
	c.auth = credentials{}
	if before.header != tokenHeader {
		return nil, c.wrongCredentials(err)
	}
	if r.method == http.MethodPost {
		return nil, says("lost the session before it acted; nothing was done, try again").because(err)
	}
	if err := c.login(ctx); err != nil {
		return nil, err
	}
	a, err = c.send(ctx, r, c.auth)
	if refusedFor(err, http.StatusUnauthorized) {
		c.auth = credentials{}
		return nil, says("opens a session for user %s and then does not accept it (%s); check the user's role",
			pxepilot.Quote(c.username), err).because(err)
	}
	return a, err
}

const tokenHeader = "X-Auth-Token"

// login opens a session, unless there is one or none is needed. A service
// without sessions gets the password with each request.
func (c *Controller) login(ctx context.Context) error {
	if c.username == "" || c.auth.header != "" {
		return nil
	}
	secret, err := c.password()
	if err != nil {
		return says("its password cannot be read: %v", err).because(err)
	}
	password := secret.Reveal()
	// Known from here on, so that whatever the BMC says is shown without it.
	c.auth = credentials{secrets: func() []string { return []string{password} }}
	if err := c.readRoot(ctx); err != nil {
		return err
	}
	sessions := c.root.Links.Sessions.Path
	if sessions == "" {
		value := base64.StdEncoding.EncodeToString([]byte(c.username + ":" + password))
		c.auth = credentials{header: "Authorization", value: "Basic " + value,
			secrets: func() []string { return []string{password, value} }}
		return nil
	}
	a, err := c.send(ctx, request{method: http.MethodPost, path: sessions,
		body: map[string]string{"UserName": c.username, "Password": password}}, c.auth)
	switch no := refused(err); {
	case refusedFor(err, http.StatusUnauthorized, http.StatusForbidden):
		return c.wrongCredentials(err)
	case no != nil && no.status < 500:
		return says("opens no session for user %s: %s", pxepilot.Quote(c.username), no).because(err)
	case err != nil:
		return err
	}
	token := a.header.Get(tokenHeader)
	if token == "" {
		return says("accepts user %s and answers without a session token", pxepilot.Quote(c.username))
	}
	c.auth = credentials{header: tokenHeader, value: token, session: a.location,
		secrets: func() []string { return []string{password, token} }}
	return nil
}

// wrongCredentials says that nobody gets in that way.
func (c *Controller) wrongCredentials(err error) error {
	if c.username == "" {
		return says("wants a user and a password; set redfish.username and redfish.password").because(err)
	}
	return says("refuses user %s or the password (%s); check redfish.username and redfish.password",
		pxepilot.Quote(c.username), err).because(err)
}

// logout ends the session, if there is one. A BMC that forgot it already is as
// good.
func (c *Controller) logout(ctx context.Context) error {
	auth := c.auth
	c.auth = credentials{}
	if auth.session == "" {
		return nil
	}
	_, err := c.send(ctx, request{method: http.MethodDelete, path: auth.session}, auth)
	if refusedFor(err, http.StatusUnauthorized, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ending the session: %w", err)
	}
	return nil
}
