// What listener and reset do, in mongosh, for test/bench/run to stand beside them: one stream, the one that gets
// events.
const customers = connect(process.env.MONGODB_ATLAS_URL)
  .getSiblingDB(process.env.DATABASE).getCollection(process.env.COLLECTION);
if (process.env.PEER === 'reset') {
  customers.drop();
  print('Sample record id: ' + customers.insertOne({ firstName: 'My First Name' }).insertedId);
} else {
  const overdrawn = { $elemMatch: { type: 'checking', balance: { $lt: 0 } } };
  const changes = customers.watch([{ $match: { operationType: 'insert', 'fullDocument.accounts': overdrawn } }],
    { batchSize: 1000, maxAwaitTimeMS: 3000 });
  print('Resume listener thread started.');
  while (true) {
    const event = changes.tryNext();
    if (!event) continue;
    const customer = event.fullDocument;
    const checking = customer.accounts.find(account => account.type === 'checking' && account.balance < 0);
    print('=== INSERT EVENT ===\nChecking Account with negative balance!\nEmailing user: ' + customer.email
      + '\nChecking Acct Balance: ' + checking.balance + '\n');
  }
}
