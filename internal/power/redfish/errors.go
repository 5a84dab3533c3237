package redfish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A bmcError is what is wrong with a BMC, as the rest of a sentence that begins
// with its name.
type bmcError struct {
	text  string
	cause error
}

func says(format string, args ...any) *bmcError { return &bmcError{text: fmt.Sprintf(format, args...)} }

func (t *bmcError) because(err error) *bmcError { return &bmcError{t.text, err} }

func (t *bmcError) Error() string { return t.text }
func (t *bmcError) Unwrap() error { return t.cause }

// A statusError is an answer of any other status than those of success.
type statusError struct {
	status int
	text   string // the status, and what the service says about it
}

func (r *statusError) Error() string { return r.text }

// refused is the statusError that err is, or nil. A bmcError that came of one is
// something else.
func refused(err error) *statusError {
	var r *statusError
	var t *bmcError
	if errors.As(err, &t) || !errors.As(err, &r) {
		return nil
	}
	return r
}

// refusedFor says whether err is a statusError of one of the statuses.
func refusedFor(err error, statuses ...int) bool {
	r := refused(err)
	return r != nil && slices.Contains(statuses, r.status)
}

// refusalOf reads what a service says about an error (DSP0266, error responses).
func refusalOf(resp *http.Response, a *answer) *statusError {
	text := fmt.Sprintf("%s %s: status %d", resp.Request.Method, pxepilot.Quote(a.path), resp.StatusCode)
	if name := http.StatusText(resp.StatusCode); name != "" {
		text += " " + name
	}
	var said struct {
		Error struct {
			Message string `json:"message"`
			Infos   []struct {
				Message   string
				MessageID string `json:"MessageId"`
			} `json:"@Message.ExtendedInfo"`
		} `json:"error"`
	}
	// What cannot be read says nothing; the status does. The general message
	// is often "see ExtendedInfo".
	_ = json.Unmarshal(a.body, &said)
	for _, info := range said.Error.Infos {
		if told := cmp.Or(info.Message, info.MessageID); told != "" {
			said.Error.Message = told
			break
		}
	}
	if told := strings.TrimSpace(said.Error.Message); told != "" {
		text += ", " + excerpt(told, a.secrets)
	}
	switch to := resp.Header.Get("Location"); {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		text += " to " + pxepilot.Quote(mask(to, a.secrets)) + ", where no password is taken; if that is the service, set redfish.url to it"
	case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests:
		text += "; " + tryAgain(resp.Header.Get("Retry-After"))
	}
	return &statusError{resp.StatusCode, text}
}

// tryAgain says when, by the header Retry-After (RFC 9110 section 10.2.3).
func tryAgain(after string) string {
	if s, err := strconv.Atoi(after); err == nil && s >= 0 {
		return fmt.Sprintf("try again in %d s", s)
	}
	if at, err := http.ParseTime(after); err == nil {
		return "try again at " + at.UTC().Format(time.RFC3339)
	}
	return "try again later"
}

// excerpt is what may be shown of a service's own words: escaped, short, and
// without the secrets that it may repeat.
func excerpt(s string, secrets []string) string { return pxepilot.Quote(mask(s, secrets)) }

// mask hides the secrets in a text, also where it is JSON and they are escaped.
func mask(s string, secrets []string) string {
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		s = strings.ReplaceAll(s, secret, "***")
		if quoted, err := json.Marshal(secret); err == nil {
			s = strings.ReplaceAll(s, string(quoted[1:len(quoted)-1]), "***")
		}
	}
	return s
}

// unsupported is about something that this BMC, or Redfish, has no way for.
func unsupported(format string, args ...any) *bmcError {
	return says(format, args...).because(errors.ErrUnsupported)
}

func (c *Controller) fault(text string, cause error) error {
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: BMC %s: %s", c.name, c.base.Host, text).Because(cause)
}

// explain makes one line of whatever went wrong: who, and what to do.
func (c *Controller) explain(ctx context.Context, err error) error {
	var (
		said  *bmcError
		no    *statusError
		cert  *tls.CertificateVerificationError
		pin   *pinError
		plain tls.RecordHeaderError
		dns   *net.DNSError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return c.fault(said.text, err)
	case errors.As(err, &no) && no.status == http.StatusForbidden:
		return c.fault("refuses: "+no.text+"; check the role of redfish.username", err)
	case errors.As(err, &no):
		return c.fault("refuses: "+no.text, err)
	case errors.As(err, &pin):
		return c.fault(fmt.Sprintf("its certificate has the fingerprint %x, not that of redfish.fingerprint; "+
			"if the BMC has a new certificate, compare and set it", pin.got), err)
	case errors.As(err, &cert):
		return c.fault(certificateText(cert, c.base.Hostname()), err)
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return c.fault("does not speak TLS; check the port in redfish.url", err)
	case errors.Is(ctx.Err(), context.Canceled):
		return c.fault("was not waited for, the request was given up", errors.Join(err, ctx.Err()))
	case ctx.Err() != nil, isTimeout(err):
		// The connection may give up a moment earlier than the context does.
		return c.fault("does not answer in time; check redfish.url and that the BMC runs", errors.Join(err, ctx.Err()))
	case errors.As(err, &dns):
		return c.fault("its name cannot be resolved; check redfish.url and the name server", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.fault("refuses the connection; check the port in redfish.url and that its web service is on", err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return c.fault("cannot be reached from here; check redfish.url and the route to it", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return c.fault("hung up in the middle; whether it did anything is not known", err)
	}
	return c.fault("cannot be talked to: "+pxepilot.Quote(innermost(err).Error()), err)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// innermost is the error without the URL that net/http puts in front of it.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// certificateText says why a certificate is not believed, and what to do.
func certificateText(e *tls.CertificateVerificationError, host string) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	advice := "set redfish.ca_file or redfish.fingerprint"
	if len(e.UnverifiedCertificates) > 0 {
		advice = fmt.Sprintf("set redfish.ca_file, or redfish.fingerprint once you compared it (%x)",
			sha256.Sum256(e.UnverifiedCertificates[0].Raw))
	}
	switch {
	case errors.As(e, &name):
		return fmt.Sprintf("its certificate is not for %s; %s", host, advice)
	case errors.As(e, &unknown):
		return "its certificate is not from an authority that is known here; " + advice
	case errors.As(e, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate is out of date, or the clock here is wrong; " + advice
	}
	return "its certificate is not valid; " + advice
}
