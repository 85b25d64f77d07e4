// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Rules, history and shortcuts.
#include "widgets/models/rulesmodel.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/panels/rulespanel.h"
#include "widgets/panels/shortcuteditor.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QDialogButtonBox>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRadioButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>
#include <QTimer>
#include <QToolButton>
#include <QTreeWidget>
#include <QUndoStack>
#include <QUndoView>

using namespace ql;

namespace {

Rule ruleFor(TensorRole role, const char* scheme)
{
    Rule rule;
    rule.roles = {role};
    rule.scheme = Scheme::parse(scheme).value();
    return rule;
}

std::vector<Rule> threeRules()
{
    Rule named;
    named.match = "v_proj";
    named.scheme = Scheme::parse("int8,channel").value();
    named.firstLayer = 0;
    named.lastLayer = 3;
    return {named, ruleFor(TensorRole::MlpDown, "int6"), ruleFor(TensorRole::AttnQ, "nf4")};
}

std::vector<Rule> lastRules(const QSignalSpy& spy)
{
    return spy.last()[0].value<std::vector<Rule>>();
}

template <class T>
T* named(QWidget& parent, const QString& accessibleName)
{
    for (T* candidate : parent.findChildren<T*>()) {
        if (candidate->accessibleName().startsWith(accessibleName))
            return candidate;
    }
    return nullptr;
}

/// Runs `work` on the dialog that opens next.
void whenADialogOpens(const std::function<void(QDialog*)>& work)
{
    QTimer::singleShot(0, qApp, [work] {
        auto* dialog = qobject_cast<QDialog*>(QApplication::activeModalWidget());
        QVERIFY(dialog);
        work(dialog);
    });
}

} // namespace

class TestPolicyPanels : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void rulesModelKeepsItsContract()
    {
        RulesModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setRules(threeRules());
        QCOMPARE(model.index(0, RulesModel::AppliesToColumn).data().toString(), QString("/v_proj/, blocks 0–3"));
        QCOMPARE(model.index(1, RulesModel::AppliesToColumn).data().toString(), QString("down_proj"));
        QCOMPARE(model.index(0, RulesModel::SchemeColumn).data().toString(), QString("int8,channel"));
        QCOMPARE(model.index(0, RulesModel::MatchesColumn).data().toString(), QString("…"));
        model.setMatchCounts({4, 0, 12});
        QCOMPARE(model.index(2, RulesModel::MatchesColumn).data().toString(), QString("12"));
        QVERIFY(model.index(1, RulesModel::MatchesColumn).data(Qt::ToolTipRole).toString().contains("No tensor"));
        model.setMatchCounts({1});
        QCOMPARE(model.index(2, RulesModel::MatchesColumn).data().toString(), QString("…"));
    }

    void rulesMoveAndGoByKeys()
    {
        RulesPanel panel;
        panel.setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel.resize(330, 300);
        panel.show();
        QSignalSpy edits(&panel, &RulesPanel::rulesEdited);
        connect(&panel, &RulesPanel::rulesEdited, &panel,
                [&](const std::vector<Rule>& rules) { panel.setRules(rules, Scheme::defaultsFor(Format::Int4)); });
        auto* table = panel.findChild<QTableView*>();
        QTest::mouseClick(table->viewport(), Qt::LeftButton, {}, table->visualRect(table->model()->index(1, 0)).center());
        QCOMPARE(panel.selectedRule(), 1);
        QTest::keyClick(table, Qt::Key_Down, Qt::AltModifier);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(lastRules(edits)[2], threeRules()[1]);
        QCOMPARE(panel.selectedRule(), 2);
        QTest::keyClick(table, Qt::Key_Down, Qt::AltModifier); // already last
        QCOMPARE(edits.size(), 1);
        QTest::keyClick(table, Qt::Key_Delete);
        QCOMPARE(lastRules(edits).size(), size_t(2));
        QCOMPARE(panel.selectedRule(), 1);
        QTest::mouseClick(named<QToolButton>(panel, "Earlier"), Qt::LeftButton);
        QCOMPARE(lastRules(edits)[0], threeRules()[2]);
    }

    void rulesAreAddedAndEditedInADialog()
    {
        RulesPanel panel;
        panel.setRules(threeRules(), Scheme::defaultsFor(Format::Int4));
        panel.show();
        QSignalSpy edits(&panel, &RulesPanel::rulesEdited);
        panel.selectRule(1);
        whenADialogOpens([](QDialog* dialog) {
            for (QLineEdit* line : dialog->findChildren<QLineEdit*>()) {
                if (line->text() == "int6")
                    line->setText("int5,clip=mse");
            }
            dialog->accept();
        });
        QTest::mouseClick(named<QToolButton>(panel, "Edit"), Qt::LeftButton);
        QCOMPARE(edits.size(), 1);
        QCOMPARE(QString::fromStdString(lastRules(edits)[1].scheme.text()), QString("int5,clip=mse"));
        whenADialogOpens([](QDialog* dialog) { dialog->accept(); });
        panel.addRule();
        QCOMPARE(lastRules(edits).size(), size_t(4));
        whenADialogOpens([](QDialog* dialog) { dialog->reject(); });
        panel.addRule();
        QCOMPARE(edits.size(), 2);
    }

    void theRuleDialogSaysWhatIsWrong_data()
    {
        QTest::addColumn<QString>("pattern");
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("part");
        QTest::newRow("all well") << "v_proj$" << "int4" << "";
        QTest::newRow("broken pattern") << "(" << "int4" << "not valid";
        QTest::newRow("no pattern") << "" << "int4" << "pattern";
        QTest::newRow("unknown format") << "v_proj" << "int99" << "int99";
        QTest::newRow("conflicting options") << "v_proj" << "q4_0,asym" << "asym";
    }
    void theRuleDialogSaysWhatIsWrong()
    {
        QFETCH(QString, pattern);
        QFETCH(QString, scheme);
        QFETCH(QString, part);
        RuleDialog dialog(threeRules()[0]);
        dialog.show();
        named<QLineEdit>(dialog, "Name pattern")->setText(pattern);
        for (QLineEdit* line : dialog.findChildren<QLineEdit*>()) {
            if (line->placeholderText().startsWith("int4"))
                line->setText(scheme);
        }
        const QString message = named<QLabel>(dialog, "What is wrong")->text();
        QCOMPARE(message.isEmpty(), part.isEmpty());
        QVERIFY2(message.contains(part), qPrintable(message));
        auto* ok = dialog.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Ok);
        QCOMPARE(ok->isEnabled(), part.isEmpty());
    }

    void dialogsGiveBackWhatTheyWereGiven()
    {
        for (const Rule& rule : threeRules())
            QVERIFY(RuleDialog(rule).rule() == rule);
    }

    void theDefaultSchemeIsTyped()
    {
        RulesPanel panel;
        panel.setRules({}, Scheme::defaultsFor(Format::Int4));
        panel.show();
        QSignalSpy defaults(&panel, &RulesPanel::defaultSchemeEdited);
        auto* line = named<QLineEdit>(panel, "Default scheme");
        line->setText("int4,nonsense");
        QTest::keyClick(line, Qt::Key_Return);
        QCOMPARE(defaults.size(), 0);
        line->setText("nf4");
        QTest::keyClick(line, Qt::Key_Return);
        QCOMPARE(defaults.size(), 1);
        QCOMPARE(defaults[0][0].value<Scheme>(), Scheme::defaultsFor(Format::NF4));
    }

    void historyGoesWhereOneClicks()
    {
        QUndoStack stack;
        HistoryPanel panel(&stack);
        panel.resize(300, 240);
        panel.show();
        for (const char* step : {"one", "two", "three"})
            stack.push(new QUndoCommand(step));
        stack.setClean();
        auto* view = panel.findChild<QUndoView*>();
        const QModelIndex first = view->model()->index(1, 0);
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {}, view->visualRect(first).center());
        QCOMPARE(stack.index(), 1);
        QVERIFY(!stack.isClean());
        QVERIFY(!view->model()->index(3, 0).data(Qt::DecorationRole).value<QIcon>().isNull());
        QTest::mouseClick(named<QToolButton>(panel, "Redo"), Qt::LeftButton);
        QCOMPARE(stack.index(), 2);
        bool told = false;
        for (const QLabel* label : panel.findChildren<QLabel*>())
            told = told || label->text() == "changes not saved";
        QVERIFY(told);
    }

    void shortcutsAreTypedAndConflictsNamed()
    {
        QAction open("&Open"), save("&Save");
        open.setObjectName("open");
        save.setObjectName("save");
        open.setShortcut(QKeySequence("Ctrl+O"));
        save.setShortcut(QKeySequence("Ctrl+S"));
        ShortcutEditor editor({&open, &save});
        editor.show();
        auto* keys = editor.findChild<QKeySequenceEdit*>();
        auto* ok = editor.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Ok);
        keys->setFocus();
        QTest::keyClick(keys, Qt::Key_S, Qt::ControlModifier);
        QTRY_VERIFY(!ok->isEnabled()); // a shortcut may have four keys: the field waits a second for more
        QVERIFY(named<QLabel>(editor, "Conflicts")->text().contains("Open and Save"));
        keys->setKeySequence(QKeySequence("Ctrl+P"));
        QVERIFY(ok->isEnabled());
        QCOMPARE(open.shortcut(), QKeySequence("Ctrl+O")); // nothing happens before OK
        QTest::mouseClick(ok, Qt::LeftButton);
        QCOMPARE(open.shortcut(), QKeySequence("Ctrl+P"));
        QCOMPARE(editor.changedShortcuts().keys(), QStringList({"open"}));
    }
};

QTEST_MAIN(TestPolicyPanels)
#include "tst_policypanels.moc"
