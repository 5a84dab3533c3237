package redfish

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// trustOf decides which certificate of the service is believed.
func trustOf(o Options) (*tls.Config, error) {
	bad := func(format string, args ...any) (*tls.Config, error) {
		return nil, pxepilot.Errorf(pxepilot.Invalid, "host %s: %s", o.Name, fmt.Sprintf(format, args...))
	}
	ways := 0
	for _, told := range []bool{o.CAFile != "", o.Fingerprint != "", o.Insecure} {
		if told {
			ways++
		}
	}
	switch {
	case ways > 1:
		return bad("redfish.ca_file, redfish.fingerprint and redfish.insecure exclude each other; keep one")
	case o.Insecure:
		return &tls.Config{InsecureSkipVerify: true}, nil
	case o.Fingerprint != "":
		want, err := parseFingerprint(o.Fingerprint)
		if err != nil {
			return bad("redfish.fingerprint %v", err)
		}
		// The certificate itself is pinned, whoever signed it and whatever
		// name and dates it bears: most BMCs sign their own.
		return &tls.Config{InsecureSkipVerify: true, VerifyConnection: pinned(want)}, nil
	case o.CAFile != "":
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return bad("redfish.ca_file: %v", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return bad("redfish.ca_file %s holds no certificate in PEM form", pxepilot.Quote(o.CAFile))
		}
		return &tls.Config{RootCAs: pool}, nil
	}
	return &tls.Config{}, nil
}

// parseFingerprint reads a SHA-256 sum in hexadecimal, as openssl prints it.
func parseFingerprint(s string) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != len(sum) {
		return sum, fmt.Errorf("%s is not a SHA-256 fingerprint (want %d hexadecimal digits, with or without colons, as "+
			"openssl x509 -noout -fingerprint -sha256 prints them)", pxepilot.Quote(s), 2*len(sum))
	}
	return [sha256.Size]byte(b), nil
}

// pinned accepts the one certificate that has the fingerprint.
func pinned(want [sha256.Size]byte) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if got := sha256.Sum256(s.PeerCertificates[0].Raw); got != want {
			return &pinError{got}
		}
		return nil
	}
}

// A pinError is a certificate that is not the pinned one.
type pinError struct{ got [sha256.Size]byte }

func (e *pinError) Error() string {
	return fmt.Sprintf("the certificate has the fingerprint %x", e.got)
}
