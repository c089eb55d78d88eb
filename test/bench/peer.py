"""What reset and listener do, in PyMongo: peer.py reset, peer.py listener."""
import os
import sys
import threading
import pymongo

customers = pymongo.MongoClient(os.environ["MONGODB_ATLAS_URL"])[os.environ["DATABASE"]]["accounts"]


def listen(match):
    with customers.watch([{"$match": match}], "updateLookup", batch_size=1000, max_await_time_ms=1000) as new:
        opened.wait()
        for event in new:
            customer = event["fullDocument"]
            checking = next(a for a in customer["accounts"] if a["type"] == "checking" and a["balance"] < 0)
            print("=== INSERT EVENT ===\nChecking Account with negative balance!\nEmailing user: "
                  + customer["email"] + f"\nChecking Acct Balance: {checking['balance']}\n", flush=True)


if sys.argv[1] == "reset":
    customers.drop()
    print("Sample record id:", customers.insert_one({"firstName": "My First Name"}).inserted_id)
    sys.exit()
counter = "updateDescription.updatedFields.resumeCounter"
overdrawn = {"$elemMatch": {"type": "checking", "balance": {"$lt": 0}}}
matches = [{"operationType": "insert", "fullDocument.accounts": overdrawn}, {"operationType": "delete"},
           {"operationType": "update", counter: {"$exists": False}}, {"operationType": "replace"},
           {"operationType": "update", counter: {"$exists": True}}]
opened = threading.Barrier(len(matches), lambda: print("and invalidate events", flush=True))
for match in matches:
    threading.Thread(target=listen, args=[match]).start()
