def test_try(client):
    r = client.get("/processes"); print(r.status_code, r.text[:1500])
    r = client.post("/processes/echo/execution", json={"inputs":{"stringInput":"hello"}}); print(r.status_code, r.text, r.headers)
    r = client.post("/processes/echo/execution", json={"inputs":{"stringInput":"hello"}}, headers={"Prefer":"respond-async"}); print(r.status_code, r.text, r.headers)
    j = r.headers["location"]
    import time
    for _ in range(100):
        s = client.get(j).json()
        if s["status"] in ("successful","failed"): break
        time.sleep(0.02)
    print(s)
    print(client.get(j+"/results").text)
    print(client.get("/").text, client.get("/conformance").text[:300], client.get("/api").text[:200], client.get("/capabilities").text[:300])
