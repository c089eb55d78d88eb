// What README and people do in mongosh: mongosh URI --file mongosh.js; DATABASE names the database.
db = db.getSiblingDB(process.env.DATABASE);

db.accounts.insertOne({_id: 0});
const stream = db.accounts.watch([], {fullDocument: "updateLookup"});
db.accounts.insertMany([{_id: 1, firstName: "My First Name", accounts: [{type: "savings", balance: 3}, {type: "checking", balance: -5}]}, {_id: 2}]);
db.accounts.updateOne({accounts: {$elemMatch: {type: "checking", balance: {$lt: 0}}}}, {$inc: {"accounts.$.balance": 100}});
db.accounts.replaceOne({firstName: "My First Name"}, {firstName: "Replaced", lastName: "In mongosh"});
db.accounts.findOneAndReplace({_id: 2}, {resumeCounter: 1});
db.accounts.deleteOne({_id: 0});

const events = [];
while (events.length < 6) {
  const event = stream.tryNext();
  if (event) events.push(event);
}
print("events:", events.map(event => event.operationType).join(" "));
print("deposit:", JSON.stringify(events[2].updateDescription.updatedFields));
stream.close();

// Only the sandbox and servers for tests know this command.
if (process.env.TEST_SANDBOX) {
  db.adminCommand({configureFailPoint: "failGetMoreAfterCursorCheckout", mode: {times: 2}, data: {errorCode: 189}})
}
const resumed = db.accounts.watch([{$match: {operationType: {$in: ["replace", "delete"]}}}], {resumeAfter: events[3]._id});
print("resumed:", resumed.next().operationType, resumed.next().operationType);
db.accounts.replaceOne({_id: 2}, {resumeCounter: 1, more: true});
print("survived:", resumed.next().operationType);
resumed.close();
if (process.env.TEST_SANDBOX) {
  print("failed:", Number(db.adminCommand({configureFailPoint: "failGetMoreAfterCursorCheckout", mode: "off"}).count) > 0);
  const session = db.getMongo().startSession();
  session.startTransaction();
  try { session.getDatabase(db.getName()).accounts.insertOne({_id: 9}); } catch (error) { print("transaction:", error.message); }
}

print("spot check:", JSON.stringify(db.accounts.find({resumeCounter: {$gt: 0}}, {_id: 0, resumeCounter: 1}).sort({resumeCounter: 1}).toArray()));
print("counts:", db.accounts.countDocuments({}), db.accounts.estimatedDocumentCount(), db.accounts.stats().count, db.stats().objects);
print("names:", db.getCollectionNames(), db.getMongo().getDBNames().includes(db.getName()));
print("server:", db.hello().isWritablePrimary, rs.status().myState, db.version());
for (let i = 10; i < 400; i++) db.accounts.insertOne({_id: i});
print("batches:", db.accounts.find().toArray().length, db.accounts.aggregate([{$match: {_id: {$gte: 10, $lt: 300}}}]).toArray().length);
try { db.runCommand({nonsense: 1}); } catch (error) { print("nonsense:", error.code, error.codeName); }
print("dropped:", db.accounts.drop(), db.dropDatabase().ok);
