"""What every answer of the gateway's own must look like."""
import json
import re

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def problem(response, status, code):
    """Asserts a problem document (RFC 9457) with this status and denial code, and gives its members."""
    codes = (code,) if isinstance(code, str) else code
    shown = (response.start, response.fields, response.body)
    assert response.status == status, shown
    assert response.get("Content-Type", "").split(";")[0] == "application/problem+json", shown
    document = json.loads(response.body)
    assert {"type", "title", "status", "code", "request_id"} <= set(document), document
    assert document["status"] == status
    assert document["code"] in codes, document
    assert UUID7.fullmatch(document["request_id"]), document
    assert response.get("Content-Length") == str(len(response.body)), shown
    if status == 401:
        schemes = [value.split(" ")[0] for name, value in response.fields if name.lower() == "www-authenticate"]
        # What is wrong with a DPoP proof is said in DPoP's own challenge; where both kinds of token are taken, both are told.
        assert schemes in (["DPoP"] if document["code"].startswith("proof_") else ["Bearer"], ["Bearer", "DPoP"]), shown
    if status == 503:
        assert re.fullmatch(r"\d+", response.get("Retry-After", "")), shown
    # Nothing that tells an attacker what runs here: no version, no address, no trace.
    text = response.raw_head + response.body
    assert not re.search(rb"127\.0\.0\.1:\d|\.swift\b|[Ss]wift/|OpenSSL|/Sources/|Server: \S*\d", text), shown
    return document


def seen(response):
    """What the echoing backend says it was asked, as a message."""
    from .message import Message
    assert response.status == 200, (response.start, response.body)
    echoed = json.loads(response.body)
    message = Message(f"{echoed['method']} {echoed['target']} HTTP/1.1", [tuple(pair) for pair in echoed["headers"]])
    message.body = echoed["body"].encode("latin-1")
    message.trailers = [tuple(pair) for pair in echoed["trailers"]]
    return message
