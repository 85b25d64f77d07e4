// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Session and journal: the policy as a document with undo, and what survives a crash.
#include "app/journal.h"
#include "app/session.h"
#include "core/io/safetensorswriter.h"
#include "support/testmodels.h"

#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include <random>

using namespace ql;

namespace {

/// Writes the tiny model as a safetensors file, so that the session opens a real one.
QString writeModel(const QTemporaryDir& folder)
{
    const auto model = test::tinyLlama();
    std::vector<SafetensorsWriter::Entry> entries;
    for (const TensorInfo& tensor : model->tensors())
        entries.push_back({tensor.name, tensor.dtype, tensor.shape});
    auto writer = SafetensorsWriter::plan(entries);
    const QString path = folder.filePath("tiny.safetensors");
    if (!writer.ok() || !writer->begin(path.toStdString()).ok())
        return {};
    for (const auto& entry : writer->order()) {
        const auto view = model->view(model->indexOf(entry.name));
        if (!writer->write(*view->bytes()).ok())
            return {};
    }
    return writer->finish().ok() ? path : QString();
}

} // namespace

class TestSession : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    QString m_model;
    JobRunner m_jobs;

    std::unique_ptr<Session> openSession()
    {
        auto session = std::make_unique<Session>(&m_jobs);
        QSignalSpy opened(session.get(), &Session::modelChanged);
        session->openModel(m_model);
        return opened.wait() ? std::move(session) : nullptr;
    }

    static int index(const Session& session, const char* name) { return session.model()->indexOf(name); }

private Q_SLOTS:
    void initTestCase()
    {
        m_model = writeModel(m_folder);
        QVERIFY(!m_model.isEmpty());
    }

    void openingSaysWhatIsWrong()
    {
        Session session(&m_jobs);
        QSignalSpy failed(&session, &Session::failed);
        session.openModel(m_folder.filePath("missing.gguf"));
        QVERIFY(failed.wait());
        QVERIFY(failed[0][0].value<Error>().text().find("missing.gguf") != std::string::npos);
        QVERIFY(!session.model());
    }

    void editsAreSteps()
    {
        const auto session = openSession();
        QVERIFY(session);
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        const Scheme nf4 = Scheme::defaultsFor(Format::NF4);
        QCOMPARE(session->setSchemes({{q, nf4}}, "to nf4"), 0);
        QCOMPARE(session->decisions()[size_t(q)].scheme, nf4);
        QCOMPARE(session->undoStack()->count(), 1);
        session->setSchemes({{q, nf4}}, "to nf4 again"); // changes nothing, so it is no step
        QCOMPARE(session->undoStack()->count(), 1);
        session->undoStack()->undo();
        QCOMPARE(session->decisions()[size_t(q)].source, Decision::Source::Default);
        QVERIFY(session->undoStack()->isClean());
    }

    void lockedTensorsAreLeftAlone()
    {
        const auto session = openSession();
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        const int v = index(*session, "model.layers.0.self_attn.v_proj.weight");
        session->setLocked({q}, true);
        QVERIFY(session->decisions()[size_t(q)].locked);
        const Scheme before = session->decisions()[size_t(q)].scheme;
        QCOMPARE(session->setSchemes({{q, Scheme::defaultsFor(Format::Int8)}, {v, Scheme::defaultsFor(Format::Int8)}}, "both"), 1);
        QCOMPARE(session->decisions()[size_t(q)].scheme, before);
        QCOMPARE(session->decisions()[size_t(v)].scheme, Scheme::defaultsFor(Format::Int8));
    }

    void brokenRulesNeverEnterTheHistory()
    {
        const auto session = openSession();
        QSignalSpy failed(session.get(), &Session::failed);
        session->addRule({"q_proj(", {}, -1, -1, Scheme::defaultsFor(Format::Int8), ""});
        QCOMPARE(failed.count(), 1);
        QCOMPARE(session->undoStack()->count(), 0);
    }

    void undoAllRedoAllIsTheSamePolicy()
    {
        const auto session = openSession();
        std::mt19937 random(7);
        const Policy start = session->policy();
        const int tensors = int(session->model()->tensors().size());
        for (int i = 0; i < 300; ++i) {
            const int tensor = int(random() % unsigned(tensors));
            switch (random() % 5) {
            case 0:
                session->setLocked({tensor}, random() % 2);
                break;
            case 1:
                session->clearOverrides({tensor});
                break;
            case 2:
                session->addRule({"layers." + std::to_string(random() % 3), {}, -1, -1, Scheme::defaultsFor(Format::Int6), ""});
                break;
            default:
                session->setSchemes({{tensor, Scheme::defaultsFor(Format(3 + random() % 8))}}, "edit");
            }
        }
        const std::string end = session->policy().toJson();
        while (session->undoStack()->canUndo())
            session->undoStack()->undo();
        QVERIFY(session->policy() == start);
        while (session->undoStack()->canRedo())
            session->undoStack()->redo();
        QCOMPARE(QString::fromStdString(session->policy().toJson()), QString::fromStdString(end));
    }

    void policiesAreSavedAndOpened()
    {
        const auto session = openSession();
        const int q = index(*session, "model.layers.1.self_attn.q_proj.weight");
        session->setSchemes({{q, Scheme::defaultsFor(Format::NF4)}}, "edit");
        const QString path = m_folder.filePath("policy.json");
        QVERIFY(session->savePolicy(path));
        QVERIFY(session->undoStack()->isClean());
        const auto other = openSession();
        QVERIFY(other->loadPolicy(path));
        QCOMPARE(other->decisions()[size_t(q)].scheme, Scheme::defaultsFor(Format::NF4));
        QVERIFY(other->undoStack()->isClean());
        QSignalSpy failed(other.get(), &Session::failed);
        QVERIFY(!other->savePolicy(m_folder.filePath("no/such/folder/p.json")));
        QCOMPARE(failed.count(), 1);
    }

    void aCrashLosesNoEdits()
    {
        QTemporaryDir journals;
        const auto session = openSession();
        const int q = index(*session, "model.layers.0.self_attn.q_proj.weight");
        auto crashing = std::make_unique<Journal>(session.get(), journals.path());
        session->setSchemes({{q, Scheme::defaultsFor(Format::Int3)}}, "edit");
        crashing->writeNow();
        const QString file = QDir(journals.path()).entryList({"*.journal"}).value(0);
        QVERIFY(!file.isEmpty());

        // What a crash leaves: the journal without a living owner.
        QVERIFY(QFile::copy(journals.filePath(file), journals.filePath("0-0.journal")));
        Journal next(session.get(), journals.path());
        const auto leftover = next.findLeftover();
        QVERIFY(leftover.has_value());
        QCOMPARE(leftover->modelPath, m_model);
        QVERIFY(leftover->policy == session->policy());
        next.discard(*leftover);
        QVERIFY(!next.findLeftover());
    }

    void aCleanEndLeavesNoJournal()
    {
        QTemporaryDir journals;
        const auto session = openSession();
        {
            Journal journal(session.get(), journals.path());
            session->setSchemes({{index(*session, "model.layers.0.self_attn.q_proj.weight"), Scheme::defaultsFor(Format::Int3)}}, "edit");
            QTRY_VERIFY_WITH_TIMEOUT(!QDir(journals.path()).entryList({"*.journal"}).isEmpty(), 5000);
        }
        QVERIFY(QDir(journals.path()).entryList({"*.journal"}).isEmpty());
    }
};

QTEST_GUILESS_MAIN(TestSession)
#include "tst_session.moc"
